# A directory of 50,000 entries is made, listed with ls -l and removed.
# seconds: 600
# short: loose

count=50000
mkdir many
(
    set +x
    cd many
    n=0
    while [ $n -lt $count ]; do
        : >"entry-$n"
        n=$((n + 1))
    done
)
seq -f 'entry-%.0f' 0 $((count - 1)) | sort >"$TMP/wanted"
ls -1 many | sort | cmp - "$TMP/wanted"
same $count "$(on_host 'ls -1U many | wc -l')" 'entries on the host'

ls -l many >"$TMP/long"
same $((count + 1)) "$(wc -l <"$TMP/long")" 'lines of ls -l'
same $count "$(grep -c '^-rw-r--r-- 1 [^ ]* [^ ]* 0 .* entry-[0-9]*$' "$TMP/long")" 'lines as they should be'
rm "$TMP/long"

rm -r many
[ ! -e many ]
on_host '[ ! -e many ]'
