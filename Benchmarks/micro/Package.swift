// swift-tools-version: 6.3
import PackageDescription

// Micro benchmarks of the cores, a package of their own: the product's build has nothing to do with them, and all that is built for them
// is the cores, through the links in Cores/, and what those need. Targets of one package see each other's `package` declarations.

func core(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Cores/\(name)",
        exclude: name == "Vault" ? ["Vault.docc"] : [],
        swiftSettings: [
            .swiftLanguageMode(.v6), .enableUpcomingFeature("InternalImportsByDefault"),
            .enableUpcomingFeature("ExistentialAny"),
        ])
}

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")

let package = Package(
    name: "micro",
    dependencies: [.package(url: "https://github.com/apple/swift-crypto", from: "4.5.2")],
    targets: [
        core("JSONSlice"),
        core("MCPModel", ["JSONSlice"]),
        core("Catalog", ["MCPModel", "JSONSlice", crypto]),
        core("Composition", ["Catalog", "MCPModel", "JSONSlice"]),
        .target(
            name: "CSearchModel", path: "Cores/CSearchModel",
            exclude: ["model.safetensors", "vocab.txt", "LICENSE.md"]),
        core("Search", ["CSearchModel"]),
        core("Vault", [crypto, cryptoExtras]),
        .target(name: "CProbe", path: "CProbe"),
        .executableTarget(
            name: "micro",
            dependencies: ["JSONSlice", "MCPModel", "Catalog", "Composition", "Search", "Vault", "CProbe"],
            path: "Micro",
            swiftSettings: [.swiftLanguageMode(.v6), .enableUpcomingFeature("InternalImportsByDefault")]),
    ]
)
