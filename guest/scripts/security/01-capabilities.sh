# File capabilities are kept over a new mount, give a program what they name, and go when it is written to or
# given away.
# seconds: 60

printf '%s' secret >"$TMP/secret"
chmod 600 "$TMP/secret"

# fresh NAME: a program that may read what its user may not. What a cache writes back later would take
# the capabilities away again.
fresh() {
    cp /bin/cat "$1"
    sync "$1"
    setcap cap_dac_override,cap_net_raw=ep "$1"
}
has() { same "$1 cap_dac_override,cap_net_raw=ep" "$(getcap "$1")"; }
has_none() {
    same '' "$(getcap "$1")" 'capabilities that should have gone'
    refused getfattr -n security.capability "$1"
    same '' "$(on_host "getcap $1")" 'capabilities on the host that should have gone'
    remount
    same '' "$(getcap "$1")" 'capabilities after a new mount that should have gone'
    refused as_user 1000 "./$1" "$TMP/secret"
}

fresh program
has program
same secret "$(as_user 1000 ./program "$TMP/secret")" 'what the capability lets it read'
remount
has program
same secret "$(as_user 1000 ./program "$TMP/secret")" 'what it reads after a new mount'
same 'program cap_dac_override,cap_net_raw=ep' "$(on_host 'getcap program')" 'on the host'
getfattr -d -m - program | grep -q '^security.capability='

# A name more, another name, another mode: they stay.
ln program linked
has linked
mv linked moved
chmod 711 program
has moved
remount
has program

echo more >>program
has_none program
fresh overwritten
dd if=/bin/true of=overwritten bs=16 count=1 conv=notrunc
has_none overwritten
fresh cut
truncate -s 5000 cut
has_none cut
fresh given
chown 1001 given
has_none given
chmod 777 .
fresh of-others
chmod 777 of-others
as_user 1000 sh -c 'echo more >>of-others'
has_none of-others

fresh removed
setcap -r removed
has_none removed
