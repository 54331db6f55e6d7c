import JSONSlice

/// What `martlet doctor` found of one thing, and what to do about it.
struct Finding: Sendable {
    enum Verdict: String, Sendable {
        case ok
        case warning
        case bad
    }

    var what: String
    var verdict: Verdict
    var found: String
    var mend: String?

    init(_ what: String, _ verdict: Verdict, _ found: String, mend: String? = nil) {
        self.what = what
        self.verdict = verdict
        self.found = found
        self.mend = mend
    }

    var json: JSON {
        var members: [(String, JSON)] = [
            ("what", .string(what)), ("verdict", .string(verdict.rawValue)), ("found", .string(found)),
        ]
        if let mend { members.append(("mend", .string(mend))) }
        return .object(members)
    }
}
