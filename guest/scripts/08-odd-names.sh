# Names of 255 bytes and of odd bytes survive: made, listed, read, renamed, linked, removed.
# seconds: 60

long=$(printf '%0255d' 0 | tr 0 n)
wide=$(printf '%085d' 0 | sed 's/0/€/g')
# One name a line, written with the escapes of printf's %b.
cat >"$TMP/names" <<'NAMES'
plain
with space
 leading and trailing 
-leading-dash
--help
*?[x]$HOME`id`;&|<>"'\\
two\nlines
\n
\ttab\rreturn\a\b\033[31m
invalid \0377\0376 utf-8 \0200
overlong \0300\0257
cut off \0342\0202
\0001\0002\0037\0177
...
. 
~
#hash#
NAMES
{
    cat "$TMP/names"
    echo "$long"
    echo "$wide"
} >"$TMP/all"

mkdir names
while IFS= read -r escaped; do
    printf '%b.' "$escaped" >"$TMP/name"
    name=$(cat "$TMP/name")
    name=${name%.}
    printf '%s' "$name" >"names/$name"
    printf '%s\0' "$name"
done <"$TMP/all" | sort -z >"$TMP/wanted"

listed() { find "$1" -mindepth 1 -maxdepth 1 -printf '%f\0' | sort -z; }
same "$(wc -l <"$TMP/all")" "$(tr -dc '\0' <"$TMP/wanted" | wc -c)" 'names made'
listed names | cmp - "$TMP/wanted"
remount
listed names | cmp - "$TMP/wanted"
on_host "find names -mindepth 1 -name .virtfs_metadata -prune -o -mindepth 1 -printf '%f\\0' | sort -z" | cmp - "$TMP/wanted"

# Each file holds its own name; each name works as a directory, link, symlink's target and in a rename.
mkdir dirs
while IFS= read -r escaped; do
    printf '%b.' "$escaped" >"$TMP/name"
    name=$(cat "$TMP/name")
    name=${name%.}
    printf '%s' "$name" | cmp - "names/$name"
    mkdir "dirs/$name"
    ln "names/$name" "dirs/$name/$name"
    ln -s -- "$name" "dirs/$name/symlink"
    printf '%s.' "$name" >"$TMP/wanted-link"
    { readlink -n "dirs/$name/symlink" && printf .; } | cmp - "$TMP/wanted-link"
    mv "dirs/$name/$name" "dirs/$name/other"
    mv "dirs/$name/other" "dirs/$name/$name"
    rm "names/$name"
done <"$TMP/all"
listed dirs | cmp - "$TMP/wanted"
same '' "$(ls -A names)" 'names left'
rm -r names dirs

# 256 bytes are one too many.
refused mkdir "n$long"
