# The export mounts, 300 files unpack and read back whole after a new mount.
# seconds: 240

tar -xf "$HOSTDATA/small.tar"
remount
same 300 "$(find . -type f | wc -l)" 'files'
sha256sum -c "$HOSTDATA/small.sums" >"$TMP/sums" || { grep -v ': OK' "$TMP/sums"; fail 'checksums'; }
first=$(find include -type f | sort | head -n 1)
mkdir new
mv "$first" new/file
ln new/file hard
ln -s hard link
same "$(sha256sum <hard)" "$(sha256sum <link)" 'checksum by two names'
rm -r include new hard link
same '' "$(ls -A)" 'what is left'
