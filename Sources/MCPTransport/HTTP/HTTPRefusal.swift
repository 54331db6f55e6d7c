import HTTPWire

/// An answer that the listener gives by itself, before any handler; the connection ends with it.
struct HTTPRefusal: Hashable, Sendable {
    var status: Int
    /// What happened and why.
    var error: String
    /// What to do about it, if anything.
    var hint: String?

    /// `{"error": …, "hint": …}`.
    var body: [UInt8] {
        var text = "{\"error\":" + Self.quoted(error)
        if let hint { text += ",\"hint\":" + Self.quoted(hint) }
        return Array((text + "}\n").utf8)
    }

    /// A JSON string. What is quoted may hold anything that a client sent.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\u{0}"..."\u{1f}":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

extension HTTPRefusal {
    init(_ error: HTTPWireError, names: HTTPLimitNames) {
        let name: String? =
            switch error {
            case .bodyTooLarge: names.body
            case .headTooLarge: names.head
            default: nil
            }
        self.init(
            status: error.status, error: error.description,
            hint: name.map { "the bound is \($0) in the configuration of this node" })
    }

    static func tooSlow(_ part: String, after limit: Duration) -> HTTPRefusal {
        HTTPRefusal(
            status: 408, error: "the \(part) of the request was not complete after \(limit)", hint: nil)
    }

    static let unknownExpectation = HTTPRefusal(
        status: 417, error: "the only expectation met here is `100-continue`", hint: nil)
    static let tooManyConnections = HTTPRefusal(
        status: 503, error: "this server has as many connections as it takes", hint: "try again later")
    static let tooManyBytes = HTTPRefusal(
        status: 503, error: "this server has as many bytes of requests in hand as it takes",
        hint: "try again later")
    static let certificateIsOver = HTTPRefusal(
        status: 403, error: "the certificate that you showed has expired since",
        hint: "connect again with one that is good")
    static let unanswered = HTTPRefusal(
        status: 500, error: "the request was dropped unanswered", hint: "this is a defect; please report it")
}
