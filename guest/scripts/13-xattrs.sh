# user.* attributes are set, listed, read, replaced and removed, on files and directories.
# seconds: 60

mkdir directory
echo text >file
setfattr -n user.plain -v value file
setfattr -n user.binary -v 0x00ff000a file
setfattr -n user.empty file
setfattr -n user.large -v "$(printf '%02000d' 7)" file
same value "$(getfattr --only-values -n user.plain file)"
same 0x00ff000a "$(getfattr -e hex -n user.binary file | sed -n 's/^user.binary=//p')"
same 2000 "$(getfattr --only-values -n user.large file | wc -c)" 'length of the large one'
same 'user.binary user.empty user.large user.plain' \
    "$(getfattr file | sed -n '/^user/p' | sort | tr '\n' ' ' | sed 's/ $//')" 'names'
same value "$(on_host 'getfattr --only-values -n user.plain file')" 'on the host'
setfattr -n user.plain -v second file
setfattr -x user.large file
refused getfattr -n user.large file
refused setfattr -x user.large file
same second "$(getfattr --only-values -n user.plain file)"
setfattr -n user.of-dir -v dir directory
same dir "$(getfattr --only-values -n user.of-dir directory)"

remount
same second "$(getfattr --only-values -n user.plain file)" 'after a new mount'
same 0x00ff000a "$(getfattr -e hex -n user.binary file | sed -n 's/^user.binary=//p')"
