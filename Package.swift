// swift-tools-version: 6.3
import PackageDescription

// The map of this house, and why each arrow is there, is docs/architecture.md; TidyTests hold the
// imports of every file against it.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOTLS", package: "swift-nio"),
]
let tls: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
// The system's SQLite itself, for the one connection whose authorizer is ours (docs/decisions/0027).
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

// The release binary: without a table of all its own symbols, which nobody looks up, and with its relocations packed (glibc 2.36), six
// megabytes fewer are read and stay in memory with every start. Packing takes LLVM's linker, which the toolchain brings.
let lean: [LinkerSetting] = [
    .unsafeFlags(
        [
            "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "-z", "-Xlinker",
            "pack-relative-relocs",
        ], .when(platforms: [.linux], configuration: .release))
]

func target(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
    name: "martlet",
    products: [.executable(name: "martlet", targets: ["martlet"])],
    traits: [
        .default(enabledTraits: ["Avahi"]),
        .trait(name: "Avahi", description: "Find peers and MCP servers by mDNS (needs libavahi-client)."),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Cores: pure, no I/O, no clocks, no randomness of their own.
        target("JSONSlice"),
        target("MCPModel", ["JSONSlice"]),
        target("Catalog", ["MCPModel", "JSONSlice", crypto]),
        target("Composition", ["Catalog", "MCPModel", "JSONSlice"]),
        target("Policy", ["Catalog", "MCPModel", "JSONSlice"]),
        target("Translate", ["JSONSlice"]),
        target("Audit", ["Catalog", "JSONSlice", crypto]),
        target("Tokens", ["JSONSlice", crypto, cryptoExtras]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        target("Mesh", ["Catalog", "MCPModel", "JSONSlice", "CZlib", crypto]),
        .target(name: "CSearchModel", exclude: ["model.safetensors", "vocab.txt", "LICENSE.md"]),
        target("Search", ["CSearchModel"]),
        target("Vault", [crypto, cryptoExtras]),

        // Edges: everything that touches the world; they meet only in Gateway.
        .systemLibrary(
            name: "CAvahi", pkgConfig: "avahi-client", providers: [.apt(["libavahi-client-dev"])]),
        .target(name: "CProcess"),
        .target(name: "CResolve", linkerSettings: [.linkedLibrary("resolv", .when(platforms: [.linux]))]),
        target("HTTPWire", [.product(name: "NIOCore", package: "swift-nio")]),
        target("MCPTransport", ["MCPModel", "JSONSlice", "HTTPWire", "CProcess", tls, x509, log] + nio),
        target(
            "MeshTransport", ["Mesh", "Catalog", "MCPModel", "JSONSlice", tls, x509, asn1, crypto, log] + nio),
        target(
            "Discovery",
            ["Catalog", "CResolve", .target(name: "CAvahi", condition: .when(traits: ["Avahi"]))]),
        target("Storage", ["Audit", "Catalog", "Vault", grdb, sqlite]),

        // Assembly.
        target(
            "Gateway",
            [
                "JSONSlice", "MCPModel", "Catalog", "Composition", "Policy", "Mesh", "Vault", "MCPTransport",
                "MeshTransport", "Discovery", "Search", "Storage", "Audit", "Tokens", yams, log, crypto,
            ]),
        target("Admin", ["Gateway", "JSONSlice", "MCPModel", "MCPTransport", "HTTPWire", log]),
        .executableTarget(
            name: "martlet",
            dependencies: ["Admin", "Gateway", "JSONSlice", "MCPTransport", log, arguments],
            swiftSettings: strict, linkerSettings: lean),

        // What the mesh promises, measured in the simulator: `Benchmarks/mesh-simulated`.
        .executableTarget(
            name: "mesh-simulation", dependencies: ["Mesh", "Catalog", "MartletTestKit"],
            path: "Benchmarks/mesh-simulation", swiftSettings: strict),

        // Tests.
        .target(
            name: "MartletTestKit",
            dependencies: ["JSONSlice", "MCPModel", "MCPTransport", "Catalog", "Mesh", crypto, cryptoExtras],
            path: "Tests/MartletTestKit",
            swiftSettings: strict),
        .systemLibrary(
            name: "COpenSSL", path: "Tests/COpenSSL", pkgConfig: "libcrypto",
            providers: [.apt(["libssl-dev"])]),
        tests("JSONSliceTests", ["JSONSlice", "MartletTestKit"]),
        tests("MCPModelTests", ["MCPModel", "JSONSlice", "MartletTestKit"]),
        tests("CatalogTests", ["Catalog", "JSONSlice", "MartletTestKit"]),
        tests("CompositionTests", ["Composition", "Catalog", "MCPModel", "JSONSlice", "MartletTestKit"]),
        tests("PolicyTests", ["Policy", "Catalog", "MCPModel", "JSONSlice", "MartletTestKit"]),
        tests("TranslateTests", ["Translate", "JSONSlice", "MartletTestKit"]),
        tests("AuditTests", ["Audit", "Catalog", "JSONSlice", "MartletTestKit", crypto]),
        tests("TokensTests", ["Tokens", "JSONSlice", "MartletTestKit", crypto, cryptoExtras]),
        tests("MeshTests", ["Mesh", "Catalog", "MartletTestKit", crypto]),
        tests("SimulationTests", ["Mesh", "Catalog", "MartletTestKit"]),
        tests("SearchTests", ["Search", "JSONSlice", "MartletTestKit"]),
        tests("VaultTests", ["Vault", "MartletTestKit"]),
        tests(
            "SecondOpinionTests",
            ["Vault", "Catalog", "Mesh", "MeshTransport", "COpenSSL", "MartletTestKit", crypto]),
        // NIOHTTP1 is llhttp: a second opinion on our codec, and in tests alone.
        tests(
            "HTTPWireTests",
            [
                "HTTPWire", "MartletTestKit", .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
        tests(
            "MCPTransportTests",
            ["MCPTransport", "MCPModel", "JSONSlice", "HTTPWire", "MartletTestKit", tls, log, x509, crypto]
                + nio),
        tests(
            "MeshTransportTests",
            [
                "MeshTransport", "Mesh", "Catalog", "MartletTestKit", tls,
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ] + nio),
        tests("DiscoveryTests", ["Discovery", "MartletTestKit"]),
        tests("StorageTests", ["Storage", "Audit", "Catalog", "Mesh", "Vault", "MartletTestKit", grdb]),
        tests(
            "GatewayTests",
            [
                "Gateway", "Composition", "Catalog", "Discovery", "HTTPWire", "JSONSlice", "MCPModel",
                "MCPTransport",
                "Mesh",
                "MeshTransport", "Policy", "Storage", "Tokens", "Vault", "Audit", "MartletTestKit", log,
            ]),
        tests(
            "AdminTests",
            ["Admin", "Gateway", "JSONSlice", "HTTPWire", "MCPTransport", "MartletTestKit", log]),
        tests(
            "ConformanceTests",
            ["Gateway", "MCPTransport", "MCPModel", "JSONSlice", "MartletTestKit", log] + nio),
        tests("TidyTests", ["MartletTestKit"]),
        .testTarget(
            name: "EndToEndTests", dependencies: ["MartletTestKit", "JSONSlice"], exclude: ["Python"],
            swiftSettings: strict),
    ]
)
