package import FoundationEssentials

/// The version of this program, as `--version`, `serverInfo` and node documents show it.
package enum SoftwareVersion {
    package static let current = "0.1.0"
    /// It is certainly later than the first day of work on this version: certificates are made and checked no earlier,
    /// whatever a host's clock says. Moved with ``current``.
    package static let date = Date(timeIntervalSince1970: 1_785_196_800)  // 2026-07-28, 00:00 UTC
}
