/// The version of this program, as `--version`, `serverInfo` and node documents show it.
package enum SoftwareVersion {
    package static let current = "0.1.0"
}
