package import Catalog

/// All statements that a node holds, and what follows from them.
///
/// Taking one in is commutative and idempotent: of each key the greatest version stands, and what does stand is judged when it is
/// asked for. So the same statements and revocations, in whatever order, mean the same on every node. (Beyond its caps, which
/// only a hostile origin meets, who came first stays.)
package struct StatementBook: Sendable {
    package enum Outcome: Hashable, Sendable {
        case taken
        case known
        /// A later one of its key is held.
        case outdated
        case refused(StatementRefusal)
    }

    private struct Counts: Hashable {
        var all = 0
        var live = 0
    }

    package private(set) var all: [StatementKey: Statement] = [:]
    private var counts: [NodeID: Counts] = [:]
    /// Of origins without role operator, together.
    private var membersCount = 0
    /// Enrolments whose signatures were found good.
    private var checked: [NodeID: Enrolment] = [:]
    /// By whether limits are in it.
    private var digestsMade: [Bool: Digest] = [:]
    private let limits: MeshLimits

    package init(limits: MeshLimits = MeshLimits()) { self.limits = limits }

    package var count: Int { all.count }
    package var isEmpty: Bool { all.isEmpty }
    package subscript(key: StatementKey) -> Statement? { all[key] }

    /// - Complexity: at most three signatures; one, of an origin that has said something before.
    package mutating func take(
        _ statement: Statement, under trust: MeshTrust, by checker: SignatureChecker
    ) -> Outcome {
        let key = statement.key
        if let held = all[key] {
            if held.hash == statement.hash { return .known }
            if !statement.beats(held) { return .outdated }
        }
        do throws(StatementRefusal) {
            try check(statement, under: trust, by: checker)
        } catch {
            return .refused(error)
        }
        keep(statement)
        return .taken
    }

    private mutating func check(
        _ statement: Statement, under trust: MeshTrust, by checker: SignatureChecker
    ) throws(StatementRefusal) {
        let (origin, enrolment) = (statement.origin, statement.enrolment)
        let isOperator = enrolment.roles.contains(.operator)
        if let body = statement.body, !body.isWithin(enrolment.roles, of: origin) {
            throw .beyondRole(signer: origin, verb: body.decision.verb, owner: body.decision.target.owner)
        }
        let held = all[statement.key]
        let mine = counts[origin] ?? Counts()
        let all = isOperator ? limits.statementsOfOperator : limits.statementsOfMember
        if held == nil, mine.all >= all { throw .tooMany(signer: origin, max: all) }
        if statement.body != nil, held?.body == nil, mine.live >= limits.liveStatements {
            throw .tooMany(signer: origin, max: limits.liveStatements)
        }
        if held == nil, !isOperator, membersCount >= limits.statementsOfMembers {
            throw .bookFull(max: limits.statementsOfMembers)
        }
        if checked[origin] != enrolment {
            do throws(EnrolmentProblem) {
                guard enrolment.roles.contains(.member), enrolment.isIssuerByRoot else {
                    throw .issuerNotByRoot(origin)
                }
                try enrolment.check(under: trust, by: checker)
            } catch {
                throw .badEnrolment(error)
            }
        }
        guard statement.isSigned(checker: checker) else { throw .badSignature }
        checked[origin] = enrolment
    }

    private mutating func keep(_ statement: Statement) {
        let key = statement.key
        let held = all[key]
        if held == nil {
            counts[key.origin, default: Counts()].all += 1
            if !statement.enrolment.roles.contains(.operator) { membersCount += 1 }
        }
        counts[key.origin, default: Counts()].live +=
            (statement.body == nil ? 0 : 1) - (held?.body == nil ? 0 : 1)
        all[key] = statement
        digestsMade = [:]
    }

    /// How many of an origin's statements say something.
    package func live(of origin: NodeID) -> Int { counts[origin]?.live ?? 0 }

    // MARK: Exchange

    /// Equal digests, equal books.
    ///
    /// - Parameter withLimits: what both ends know; a node of a version without limits keeps none, and is compared without them.
    package mutating func digest(withLimits: Bool = true) -> Digest {
        if let made = digestsMade[withLimits] { return made }
        var encoder = CanonicalEncoder(reserving: all.count * 72)
        let compared = inOrder(withLimits: withLimits)
        for statement in compared {
            encoder.put(fixed: statement.key.bytes)
            encoder.put(statement.hash)
        }
        let digest = Digest(count: UInt32(clamping: compared.count), root: ContentHash(of: encoder.bytes))
        digestsMade[withLimits] = digest
        return digest
    }

    /// In the order of their keys.
    func inOrder(withLimits: Bool = true) -> [Statement] {
        all.values.filter { withLimits || $0.number != .limit }.sorted { $0.key < $1.key }
    }

    package static func == (a: StatementBook, b: StatementBook) -> Bool { a.all == b.all }
}

extension StatementBody {
    /// Whether a node with these roles may say it.
    func isWithin(_ roles: Roles, of origin: NodeID) -> Bool {
        if roles.contains(.operator) { return true }
        switch decision {
        case .approve, .quarantine: return decision.target.owner == origin
        // Its own it takes back; those of operators are not its to lift.
        case .release: return false
        // How often its own is called, its configuration says.
        case .limit: return false
        }
    }
}

extension StatementBook {
    /// What of it counts now.
    package struct Standing: Hashable, Sendable {
        package var holds: [Hold] = []
        /// Of operators: what a plain member says of its own is its own word, and shows nothing to others.
        package var approvals: [Approval] = []
        package var limits: [StatedLimit] = []
    }

    /// Judges what stands: of a revoked origin what holds back still does, and what lets through does not.
    ///
    /// - Parameter rolesNow: what is known of a node's present enrolment; `nil`: nothing.
    /// - Complexity: O(statements log statements)
    package func standing(
        after revocations: RevocationBook, rolesNow: (NodeID) -> Roles?
    ) -> Standing {
        guard !isEmpty else { return Standing() }
        var standing = Standing()
        var released: Set<ReleasedWord> = []
        var quarantines: [(Statement, StatementBody, StatementTarget)] = []
        var limits: [StatedLimit] = []
        for statement in inOrder() {
            guard let body = statement.body else { continue }
            let fallen = revocations.objection(to: statement.enrolment)
            // Whom a revoked issuer made a node, without the root's leave, never had a say.
            if let fallen, fallen.target != statement.origin { continue }
            let roles = rolesNow(statement.origin) ?? statement.enrolment.roles
            let mayLetThrough = fallen == nil && body.isWithin(roles, of: statement.origin)
            switch body.decision {
            case .quarantine(let target): quarantines.append((statement, body, target))
            case .release(_, let words): if mayLetThrough { released.formUnion(words) }
            case .approve(let address, let pin):
                guard mayLetThrough, roles.contains(.operator) else { continue }
                standing.approvals.append(
                    Approval(
                        address: address, pin: pin, signer: statement.origin, reason: body.reason,
                        at: body.at))
            case .limit(let target, let allowance):
                limits.append(
                    StatedLimit(
                        target: target, signer: statement.origin, allowance, reason: body.reason, at: body.at,
                        word: statement.hash))
            }
        }
        // As quarantines do, a limit stands until it is released by name, whoever its signer is by now.
        standing.limits = limits.filter {
            !released.contains(ReleasedWord(signer: $0.signer, word: $0.word))
        }
        for (statement, body, target) in quarantines {
            let isOperator = statement.enrolment.roles.contains(.operator)
            let word = ReleasedWord(signer: statement.origin, word: statement.hash)
            // An owner's word about its own is its own to lift.
            if isOperator, released.contains(word) { continue }
            standing.holds.append(
                Hold(
                    target: target, signer: statement.origin, reach: isOperator ? .mesh : .owner,
                    reason: body.reason, at: body.at, word: statement.hash))
        }
        return standing
    }
}
