/// Why a description, or the arguments of a call, cannot be translated.
package enum TranslateError: Error, Hashable, Sendable, CustomStringConvertible {
    case notOpenAPI
    case tooManyOperations(limit: Int)
    case missing(argument: String)
    case unknown(argument: String)
    /// What cannot stand where the argument goes.
    case unfit(argument: String, why: String)

    package var description: String {
        switch self {
        case .notOpenAPI: "this is no OpenAPI 3 description: it needs `openapi: 3.…` and `paths`"
        case .tooManyOperations(let limit): "the description has more than \(limit) operations; cut it down"
        case .missing(let name): "the argument \"\(name)\" is required"
        case .unknown(let name): "there is no argument \"\(name)\""
        case .unfit(let name, let why): "the argument \"\(name)\" \(why)"
        }
    }
}
