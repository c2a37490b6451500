//! CPU time of processes, kernel included.

use std::fs;

/// The kernel's ticks a second, in which `stat` counts.
const TICKS: f64 = 100.0;

/// CPU time of the threads that a process has now, in microseconds, by the nanosecond: for what
/// takes less than a tick. What threads took that have ended is not in it.
pub(crate) fn of_threads_us(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_thread = |thread: fs::DirEntry| {
        let schedstat = fs::read_to_string(thread.path().join("schedstat")).unwrap();
        let nanoseconds = schedstat.split(' ').next().unwrap();
        nanoseconds.parse::<f64>().unwrap() / 1_000.0
    };
    threads.map(|thread| of_thread(thread.unwrap())).sum()
}

/// CPU time of this process so far, in microseconds, by the tick, whatever threads it has had.
pub(crate) fn of_this_process_us() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the process may hold anything and ends with a bracket.
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |place: usize| fields[place].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) * 1_000_000.0 / TICKS
}
