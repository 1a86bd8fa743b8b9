# POSIX: every case of pjdfstest that passes on ext4 in the same guest passes on the mount, except
# those that posix/pjdfstest-exceptions.txt and guest/pjdfstest-exceptions.txt explain; a case that is
# listed and passes is a failure.
# seconds: 600

# suite FOLDER RESULTS: as posix/run does, the cases that remount read-only apart from the others.
suite() {
    : >"$2"
    for remount in false true; do
        sed "s/@REMOUNT@/$remount/" "$RUN/posix/posix-pjdfstest.toml" >"$TMP/pjdfstest.toml"
        pattern=
        [ $remount = false ] || pattern=erofs
        # shellcheck disable=SC2086 # an empty pattern is no argument
        "$POSIX/pjdfstest" -c "$TMP/pjdfstest.toml" -p "$1" -s "$TMP/other" $pattern \
            >"$TMP/report" 2>&1 </dev/null || true
        awk '/^[^ \t]/ && NF == 2 && $2 ~ /^(ok|FAILED|skipped)$/ { print $1, $2, ++cases }
            /^Summary: / { total = $(NF - 1) }
            END { exit total != cases || cases == 0 }' "$TMP/report" >"$TMP/cases" ||
            { tail -n 50 "$TMP/report"; fail "the report of $1 is cut short"; }
        grep -A12 -e ' FAILED$' -e ' skipped$' "$TMP/report" >>"$2.why" || true
        cat "$TMP/cases" >>"$2"
    done
    # A case that only the second run has in earnest was skipped in the first.
    awk '{ result[$1] = $2 } END { for (name in result) print name, result[name] }' "$2" |
        sort >"$2.sorted"
}

mkdir "$TMP/other" "$TMP/ext4"
mount -t tmpfs none "$TMP/other"
chmod 755 "$DIR"
suite "$DIR" "$TMP/mount"
cd /

# The short form takes it for granted that every case passes on ext4: it does, and takes a minute.
sed 's/ .*/ ok/' "$TMP/mount.sorted" >"$TMP/reference.sorted"
if [ -n "$LONG" ]; then
    truncate -s 512M "$TMP/ext4.img"
    mkfs.ext4 -q "$TMP/ext4.img"
    mount -o loop "$TMP/ext4.img" "$TMP/ext4"
    suite "$TMP/ext4" "$TMP/reference"
    umount "$TMP/ext4"
fi

cat "$RUN"/posix/*exceptions.txt | sed -E '/^#/d; /^$/d' | awk '{ print $1 }' | sort -u >"$TMP/listed"
same "$(wc -l <"$TMP/reference.sorted")" "$(wc -l <"$TMP/mount.sorted")" 'cases'
# Wrong: what went worse than on ext4 and is not listed, and what is listed and did not.
join "$TMP/reference.sorted" "$TMP/mount.sorted" |
    awk '$3 != "ok" && $2 != $3 && !($2 == "FAILED" && $3 == "skipped") { print $1 }' | sort >"$TMP/worse"
awk '{ print $2 }' "$TMP/mount.sorted" | sort | uniq -c
comm -13 "$TMP/listed" "$TMP/worse" >"$TMP/not-listed"
comm -23 "$TMP/listed" "$TMP/worse" >"$TMP/passes"
{ set +x; } 2>/dev/null
while read -r name; do
    grep -F -A12 "$name " "$TMP/mount.why" | head -n 14
done <"$TMP/not-listed"
set -x
same '' "$(cat "$TMP/not-listed")" 'cases that fail or are skipped on the mount alone'
same '' "$(cat "$TMP/passes")" 'cases that are listed and pass'
umount "$TMP/other"
