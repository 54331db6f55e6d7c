/// Which modules the files of each target may import; the map of docs/architecture.md, kept here so that a
/// test can hold the code against it. Whoever changes it says why in docs/decisions/.
struct HouseMap {
    enum Storey {
        /// Pure: no I/O, no clock, no randomness of its own, no `await`, no logger.
        case core
        /// Touches the world. Edges do not import one another (the codec `HTTPWire` and C apart): they meet
        /// in `Gateway`.
        case edge
        case assembly
    }

    struct Target {
        let storey: Storey
        /// Targets of this package.
        let ours: Set<String>
        /// Of others; besides those, what ``always`` or ``system`` allow.
        let others: Set<String>
    }

    static let nio: Set<String> = ["NIOCore", "NIOPosix", "NIOConcurrencyHelpers", "NIOTLS"]
    static let libc: Set<String> = ["Glibc", "Musl", "Darwin"]
    /// Parts of the toolchain that cost nothing and reach nothing.
    static let always: Set<String> = ["Swift", "Synchronization", "FoundationEssentials"]
    /// The operating system, for edges and assembly.
    static let system: Set<String> = libc.union(["Foundation", "Dispatch", "CProcess"])

    static let targets: [String: Target] = [
        "JSONSlice": Target(storey: .core, ours: [], others: []),
        "MCPModel": Target(storey: .core, ours: ["JSONSlice"], others: []),
        "Catalog": Target(storey: .core, ours: ["MCPModel", "JSONSlice"], others: ["Crypto"]),
        "Composition": Target(storey: .core, ours: ["Catalog", "MCPModel", "JSONSlice"], others: []),
        "Policy": Target(storey: .core, ours: ["Catalog", "MCPModel", "JSONSlice"], others: []),
        "Translate": Target(storey: .core, ours: ["JSONSlice"], others: []),
        "Audit": Target(storey: .core, ours: ["Catalog", "JSONSlice"], others: ["Crypto"]),
        "Tokens": Target(storey: .core, ours: ["JSONSlice"], others: ["Crypto", "CryptoExtras"]),
        // zlib for two functions on bytes: deflating a frame and inflating one.
        "Mesh": Target(
            storey: .core, ours: ["Catalog", "JSONSlice", "MCPModel"], others: ["Crypto", "CZlib"]),
        // Foundation for one thing: canonical decomposition; libc for another: the logarithm.
        "Search": Target(storey: .core, ours: [], others: libc.union(["CSearchModel", "Foundation"])),
        // libc for one thing: to wipe memory in a way that no optimizer removes.
        "Vault": Target(storey: .core, ours: [], others: libc.union(["Crypto", "CryptoExtras"])),

        "HTTPWire": Target(storey: .edge, ours: [], others: ["NIOCore"]),
        "MCPTransport": Target(
            storey: .edge, ours: ["MCPModel", "JSONSlice", "HTTPWire"],
            others: nio.union(["NIOSSL", "X509", "Logging"])),
        "MeshTransport": Target(
            storey: .edge, ours: ["Mesh", "Catalog", "JSONSlice", "MCPModel"],
            others: nio.union(["NIOSSL", "X509", "SwiftASN1", "Crypto", "Logging"])),
        "Discovery": Target(storey: .edge, ours: ["Catalog"], others: ["CAvahi", "CResolve"]),
        "Storage": Target(
            storey: .edge, ours: ["Audit", "Catalog", "Vault"], others: ["GRDB", "GRDBSQLite"]),

        "Gateway": Target(
            storey: .assembly,
            ours: [
                "JSONSlice", "MCPModel", "Catalog", "Composition", "Policy", "Mesh", "Search", "Vault",
                "Audit", "MCPTransport", "MeshTransport", "Discovery", "Storage", "Tokens",
            ],
            others: ["Yams", "Logging", "Crypto"]),
        "Admin": Target(
            storey: .assembly,
            ours: ["Gateway", "JSONSlice", "MCPModel", "Catalog", "Composition", "MCPTransport", "HTTPWire"],
            others: ["Logging"]),
        "martlet": Target(
            storey: .assembly, ours: ["Admin", "Gateway", "JSONSlice", "MCPModel", "MCPTransport"],
            others: ["Logging", "ArgumentParser"]),
    ]

    /// Folders of `Sources` that hold C and no Swift.
    static let foreign: Set<String> = ["CAvahi", "CProcess", "CResolve", "CSearchModel", "CZlib"]

    static func allowedImports(of target: Target) -> Set<String> {
        let base = target.ours.union(target.others).union(always)
        return target.storey == .core ? base : base.union(system)
    }
}
