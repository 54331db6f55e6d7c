import Catalog
import Storage

/// The admin surface's token: made at the first start, readable by the node's own user only.
enum AdminTokenFile {
    private static let randomBytes = 20

    static func text(in folder: DataFolder) throws -> String {
        if let bytes = try folder.read(.adminToken) {
            let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
            guard !text.isEmpty else {
                throw Refusal(
                    .failed, "\(folder.path(of: .adminToken)) is empty",
                    hint: "remove it; the next start makes a new token")
            }
            return text
        }
        var random = SystemRandomNumberGenerator()
        let text =
            "ma_"
            + Base32.encode((0..<randomBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        try folder.write(Array((text + "\n").utf8), to: .adminToken)
        return text
    }
}
