//! Limits that stay.

use crate::processes::below;
use crate::running::{Running, serve, unix};
use crate::status;

#[test]
fn no_process_of_the_server_dumps_core_or_gets_more_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    for sandbox in ["auto", "landlock"] {
        let mut command = serve(dir.path());
        command.args(["--sandbox", sandbox, "--rlimit-nofile", "1024"]);
        let server = Running::start(command.args(["--listen", &unix(&path)]));
        server.line("listening on ");
        let mut serving = vec![server.pid(), server.worker()];
        serving.dedup();
        for process in serving {
            let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
            let limit = |name| {
                let line = limits
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap();
                let numbers = line.split_whitespace().take(2).map(str::to_owned);
                numbers.collect::<Vec<_>>()
            };
            assert_eq!(limit("Max core file size"), ["0", "0"], "{sandbox}");
            assert_eq!(limit("Max open files"), ["1024", "1024"], "{sandbox}");
        }
        for (process, name) in below(server.pid()) {
            assert_eq!(status(process, "NoNewPrivs"), "1", "{sandbox}: {name}");
        }
        assert_eq!(status(server.pid(), "NoNewPrivs"), "1", "{sandbox}");
    }
}
