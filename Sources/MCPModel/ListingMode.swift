/// How an endpoint shows its tools.
///
/// A list of hundreds of definitions fills a model's context before it has done anything; such an endpoint can be searched
/// instead, by the tools `search_tools` and `call_tool`.
package enum ListingMode: String, Hashable, Sendable, CaseIterable {
    /// Every tool is listed.
    case full
    /// Tools are found by `search_tools` and called by `call_tool`.
    case search
    /// ``search`` where there are more tools than `limits.listedTools`, else ``full``.
    case auto

    /// Tools that ``auto`` lists where nobody said how many.
    package static let listedToolsDefault = 50
    package static let listedToolsRange = 0...10_000
}
