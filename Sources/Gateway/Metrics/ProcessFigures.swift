#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import FoundationEssentials

/// What this process takes of its machine, under the names that Prometheus' clients use for it.
struct ProcessFigures: Sendable {
    var cpuSeconds: Double
    /// Since 1970, UTC.
    var startSeconds: Double?
    var residentBytes: Int?
    var virtualBytes: Int?
    var openDescriptors: Int?
    var descriptorsMax: Int?

    /// Reads `/proc` (proc_pid_stat(5)); what the system does not say is left out.
    static func read() -> ProcessFigures {
        var usage = rusage()
        #if canImport(Glibc)
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #else
            getrusage(RUSAGE_SELF, &usage)
        #endif
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        var figures = ProcessFigures(cpuSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime))
        if let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8) {
            figures.take(
                stat: stat, system: (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? "",
                ticksPerSecond: sysconf(Int32(_SC_CLK_TCK)), pageBytes: sysconf(Int32(_SC_PAGESIZE)))
        }
        figures.openDescriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))
            // One of them is the folder itself.
            .map { max(0, $0.count - 1) }
        var limit = rlimit()
        #if canImport(Glibc)
            let hasLimit = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        #else
            let hasLimit = getrlimit(RLIMIT_NOFILE, &limit) == 0
        #endif
        if hasLimit { figures.descriptorsMax = Int(clamping: limit.rlim_cur) }
        return figures
    }

    /// - Parameters:
    ///   - stat: `/proc/self/stat`.
    ///   - system: `/proc/stat`, whose `btime` says when the machine started.
    mutating func take(stat: String, system: String, ticksPerSecond: Int, pageBytes: Int) {
        // The second field is a name, in parentheses, with whatever is in it.
        guard let end = stat.lastIndex(of: ")") else { return }
        let fields = stat[stat.index(after: end)...].split(whereSeparator: \.isWhitespace)
        func field(_ number: Int) -> Int? {
            fields.indices.contains(number - 3) ? Int(fields[number - 3]) : nil
        }
        virtualBytes = field(23)
        residentBytes = field(24).map { $0 * pageBytes }
        let started = system.split(separator: "\n").first { $0.hasPrefix("btime ") }
        if let started = started?.split(separator: " ").last.flatMap({ Int($0) }), let ticks = field(22),
            ticksPerSecond > 0
        {
            startSeconds = Double(started) + Double(ticks) / Double(ticksPerSecond)
        }
    }

    func write(to page: inout MetricsPage) {
        page.counter(
            "process_cpu_seconds_total", "Processor time of this process, its children left out.",
            .real(cpuSeconds))
        if let residentBytes {
            page.gauge("process_resident_memory_bytes", "Memory in use.", .count(residentBytes))
        }
        if let virtualBytes {
            page.gauge("process_virtual_memory_bytes", "Address space in use.", .count(virtualBytes))
        }
        if let openDescriptors {
            page.gauge("process_open_fds", "Open files and sockets.", .count(openDescriptors))
        }
        if let descriptorsMax {
            page.gauge("process_max_fds", "How many it may open.", .count(descriptorsMax))
        }
        if let startSeconds {
            page.gauge("process_start_time_seconds", "When it started, since 1970.", .real(startSeconds))
        }
    }
}
