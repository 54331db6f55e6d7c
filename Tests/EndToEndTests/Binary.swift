import Foundation

/// The binary under test: the one named in `MARTLET_BINARY` (`scripts/test` names the release build), else a build
/// that lies here.
enum Binary {
    static let path: String? = {
        if let named = ProcessInfo.processInfo.environment["MARTLET_BINARY"] { return named }
        return ["release", "debug"].map { "\(Project.root)/.build/\($0)/martlet" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    /// Whether there is something to test; where every test must run they run, and fail, without.
    static let isBuilt: Bool = {
        guard path == nil, !isContinuousIntegration else { return true }
        print("skipped: no martlet binary; set MARTLET_BINARY or run `swift build -c release`")
        return false
    }()
}

/// Where this project lies.
enum Project {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path
}
