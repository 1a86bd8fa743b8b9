//! Limits that stay.

use crate::processes::below;
use crate::running::{Running, serve, unix};
use crate::{soon, status};

#[test]
fn no_process_of_the_server_dumps_core_or_gets_more_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    for sandbox in ["auto", "landlock"] {
        let mut command = serve(dir.path());
        command.args(["--sandbox", sandbox, "--rlimit-nofile", "1024"]);
        let server = Running::start(command.args(["--listen", &unix(&path)]));
        server.line("listening on ");
        let mut processes = below(server.pid());
        processes.push((server.pid(), "the first".into()));
        for (process, name) in processes {
            let what = format!("{sandbox}: {name}");
            soon(&what, || status(process, "NoNewPrivs") == "1");
        }
        let mut serving = vec![server.pid(), server.worker()];
        serving.dedup();
        for process in serving {
            let limit = |name| {
                let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
                let line = limits.lines().find_map(|line| line.strip_prefix(name));
                let numbers = line.unwrap().split_whitespace().take(2);
                numbers.map(str::to_owned).collect::<Vec<_>>()
            };
            soon(sandbox, || limit("Max core file size") == ["0", "0"]);
            soon(sandbox, || limit("Max open files") == ["1024", "1024"]);
        }
    }
}
