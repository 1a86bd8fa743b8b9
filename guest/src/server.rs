//! The server that a guest is booted against.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Model, Transport};

/// How to start a server inside the namespace of a run.
#[derive(Debug, Clone)]
pub struct Server {
    /// A shell command that stays in the foreground and serves `$SHARE` at `$HOST`, TCP port
    /// `$PORT` under the model `$MODEL`, until SIGTERM.
    pub tcp: String,
    /// A shell command that does the same for virtio devices over vhost-user; `"$@"` are the
    /// options of `virtfs serve` that say which. `qemu`: QEMU's own device, without a server.
    pub virtio: String,
    /// Mount options that this server needs; `{share}` becomes the folder it shares.
    pub mount_options: String,
    /// Whether SIGTERM must end it with status 0.
    pub ends_cleanly: bool,
    /// The ownership model, which decides about the user that it runs as, too.
    pub model: Model,
    /// `$VIRTFS` of the commands, which that user can run wherever it lies.
    pub(crate) program: PathBuf,
}

impl Server {
    /// `virtfs serve` of the binary at this path.
    pub fn virtfs(binary: &Path) -> io::Result<Self> {
        let binary = binary.canonicalize().map_err(|error| {
            let hint = "cargo build --release -p virtfs, or set VIRTFS_BIN";
            io::Error::new(
                error.kind(),
                format!("{}: {error} ({hint})", binary.display()),
            )
        })?;
        Ok(Self {
            tcp: "\"$VIRTFS\" serve --shared-dir \"$SHARE\" --listen \"tcp:$HOST:$PORT\" \
                  --security-model \"$MODEL\" --unauthenticated-tcp"
                .to_owned(),
            virtio: "\"$VIRTFS\" serve \"$@\" --security-model \"$MODEL\"".to_owned(),
            mount_options: String::new(),
            ends_cleanly: true,
            model: Model::Passthrough,
            program: binary,
        })
    }

    /// No server but QEMU's own 9P device, for guests in QEMU.
    #[must_use]
    pub fn qemu() -> Self {
        Self::foreign("qemu", String::new())
    }

    fn foreign(command: &str, mount_options: String) -> Self {
        Self {
            tcp: command.to_owned(),
            virtio: command.to_owned(),
            mount_options,
            ends_cleanly: false,
            model: Model::Passthrough,
            program: PathBuf::new(),
        }
    }

    /// The same server under this model (passthrough if not set). All but passthrough are served by
    /// an ordinary user who owns the export.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.model = model;
        self
    }

    /// The same server with these words at the end of its command.
    #[must_use]
    pub fn with(mut self, words: &str) -> Self {
        for command in [&mut self.tcp, &mut self.virtio] {
            command.push(' ');
            command.push_str(words);
        }
        self
    }

    /// None at all, for a run without a guest.
    pub(crate) fn none() -> Self {
        Self::foreign("sleep infinity", String::new())
    }

    pub(crate) fn command(&self, transport: Transport) -> &str {
        match transport {
            Transport::Tcp => &self.tcp,
            Transport::Virtio => &self.virtio,
        }
    }

    /// The server that the environment names: the command in `VIRTFS_GUEST_SERVER` (with the mount
    /// options in `VIRTFS_GUEST_OPTIONS`), else the binary in `VIRTFS_BIN`, else
    /// `release/virtfs` in the target folder.
    pub fn from_env() -> io::Result<Self> {
        if let Ok(command) = env::var("VIRTFS_GUEST_SERVER") {
            let mount_options = env::var("VIRTFS_GUEST_OPTIONS").unwrap_or_default();
            return Ok(Self::foreign(&command, mount_options));
        }
        match env::var_os("VIRTFS_BIN") {
            Some(binary) => Self::virtfs(Path::new(&binary)),
            None => Self::virtfs(&target_folder().join("release/virtfs")),
        }
    }
}

fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
}

/// The text as one word of a shell command.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_one_word_of_the_shell() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_binary_that_is_missing_is_named() {
        let error = Server::virtfs(Path::new("/nonexistent/virtfs")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/virtfs"));
    }
}
