//! How much memory there is.

/// Memory that can be taken without swapping, in bytes: the kernel's estimate on Linux, 4 GiB elsewhere.
pub fn available_memory_bytes() -> usize {
    const FALLBACK: usize = 4 << 30;
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return FALLBACK };
    text.lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<usize>().ok())
        .map_or(FALLBACK, |kib| kib << 10)
}
