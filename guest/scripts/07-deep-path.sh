# A path longer than 4,096 bytes is made, written, read, listed and removed.
# seconds: 60

# 25 levels of 200 bytes and a slash.
mkdir chain kept
"$BIN/deep-path" chain 25
rmdir chain
for place in kept; do
    "$BIN/deep-path" $place 25 keep
    same 5025 "$(find $place -name bottom -printf '%P' | wc -c | awk '{ print $1 - 6 }')" 'length of the path'
    same de "$(find $place -name bottom -execdir cat {} +)" 'bytes at the bottom'
done
same 1 "$(on_host 'find kept -name bottom -size -3c | wc -l')" 'files at the bottom on the host'

# The upper part moves with all that hangs on it.
mv kept moved
same de "$(find moved -name bottom -execdir cat {} +)" 'bytes after a rename at the top'
rm -r moved
[ ! -e moved ]
