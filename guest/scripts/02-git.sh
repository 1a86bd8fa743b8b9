# git keeps a repository of the unpacked tree: init, add, commit, status, change, gc, fsck.
# seconds: 600
# models: passthrough mapped-xattr mapped-file none/none; with a cache new files are opened again, and git's have mode 0444

export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=guest GIT_AUTHOR_EMAIL=guest@example.org
export GIT_COMMITTER_NAME=guest GIT_COMMITTER_EMAIL=guest@example.org
git config --global gc.auto 0
git config --global safe.directory '*'

# The tree of the first item, if that has run.
mv ../01-unpack/tree . || tar $(keeps_owners || echo --no-same-owner) -xf "$HOSTDATA/tree.tar"
# The server's user may not read a file of its own without the mode for it.
keeps_owners || chmod -R u+rw tree
cd tree
git init -q -b main
git add .
git commit -q -m first
same '' "$(git status --porcelain)" 'status after the commit'
same "$(find . -path ./.git -prune -o ! -type d -print | wc -l)" "$(git ls-files | wc -l)" 'files in the index'

echo changed >>include/linux/fs.h
git mv scripts/empty scripts/moved
rm scripts/dangling
same 3 "$(git status --porcelain | wc -l)" 'changes seen'
if [ -n "$LONG" ]; then
    git commit -q -a -m second
    git checkout -q HEAD~1
    same '' "$(git status --porcelain)" 'status after the checkout'
fi
git gc -q
git fsck --full --strict

remount
cd tree
git fsck --full --strict
wanted=3
[ -z "$LONG" ] || wanted=0
same $wanted "$(git status --porcelain | wc -l)" 'changes seen on a new mount'
sync
on_host 'cd tree && git -c safe.directory="*" fsck --full --strict'
