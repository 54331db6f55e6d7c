package import Catalog

/// Decisions on what may be called: made here, passed on before anything else, judged when the catalog is shown.
extension MeshCore {
    package var statements: StatementBook { said }

    /// What holds back and what lets through, now.
    package var standingStatements: StatementBook.Standing {
        said.standing(after: store.revocations) { store.nodes[$0]?.enrolment.roles }
    }

    /// What is true of both ends of a link that are equal in revocations and in those statements that both know.
    mutating func statementDigest(for link: LinkID) -> Digest {
        let revocations = store.revocationDigest()
        let statements = said.digest(withLimits: takesLimits(link))
        guard statements.count > 0 else { return revocations }
        var encoder = CanonicalEncoder(reserving: 72)
        encoder.put(revocations.root)
        encoder.put(statements.root)
        let (count, overflow) = revocations.count.addingReportingOverflow(statements.count)
        return Digest(count: overflow ? .max : count, root: ContentHash(of: encoder.bytes))
    }

    private func takesLimits(_ link: LinkID) -> Bool {
        neighbourhood.links[link].map { $0.facts.hello.features & Hello.takesLimits != 0 } ?? true
    }

    /// All that this node holds and the peer knows, revocations first, the last frame marked.
    func statementFrames(for link: LinkID) -> [Frame] {
        var frames = store.revocations.frames
        let statements = said.inOrder(withLimits: takesLimits(link))
        guard !statements.isEmpty, case .statements(let last, _)? = frames.popLast() else { return frames }
        var batches: [[[UInt8]]] = [last]
        var size = last.reduce(0) { $0 + $1.count + 4 }
        for statement in statements {
            let bytes = statement.encoded
            if size + bytes.count + 4 > Document.bytesMax
                || batches[batches.count - 1].count == Frame.documentsMax
            {
                batches.append([])
                size = 0
            }
            batches[batches.count - 1].append(bytes)
            size += bytes.count + 4
        }
        frames += batches.dropLast().map { .statements($0, isLast: false) }
        return frames + [.statements(batches[batches.count - 1], isLast: true)]
    }

    // MARK: Made here

    /// Says a decision to the whole mesh, or says it anew.
    ///
    /// - Parameter wall: seconds since 1970, for people.
    package mutating func say(
        _ decision: StatementDecision, reason: String, wall: UInt64, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> [MeshEffect] {
        try checkMayPublish(at: now)
        let body = StatementBody(decision, reason: reason, at: wall)
        guard body.isWithin(me.enrolment.roles, of: me.id) else { throw .needsRole(.operator) }
        try publishStatement(decision.verb, body.name, body, using: &random)
        return flush(using: &random)
    }

    /// Takes back what this node said; nothing happens where it said nothing.
    package mutating func takeBack(
        _ verb: StatementVerb, _ target: StatementTarget, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> [MeshEffect] {
        try checkMayPublish(at: now)
        let name = StatementBody.name(verb, target)
        if said[StatementKey(origin: me.id, name: name)]?.body != nil {
            try publishStatement(verb, name, nil, using: &random)
        }
        return flush(using: &random)
    }

    /// Ends all quarantines of exactly this target that this node may end: its own is taken back, those of operators are named.
    ///
    /// - Returns: what was ended; what of the target stands after that is another's to lift.
    package mutating func release(
        _ target: StatementTarget, reason: String, wall: UInt64, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> (effects: [MeshEffect], ended: [Hold]) {
        let standing = standingStatements.holds.filter { $0.target == target }
        let ended = standing.filter { $0.signer == me.id }
        let isOperator = me.enrolment.roles.contains(.operator)
        let others = isOperator ? standing.filter { $0.signer != me.id && $0.reach == .mesh } : []
        let effects = try release(
            target, .quarantine, own: !ended.isEmpty,
            others.compactMap { hold in hold.word.map { ReleasedWord(signer: hold.signer, word: $0) } },
            reason: reason, wall: wall, at: now, using: &random)
        return (effects, ended + others)
    }

    /// Ends all limits of exactly this target that this node may end.
    ///
    /// - Returns: what was ended; what of the target stands after that is another's to lift.
    package mutating func releaseLimits(
        _ target: StatementTarget, reason: String, wall: UInt64, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> (effects: [MeshEffect], ended: [StatedLimit]) {
        let standing = standingStatements.limits.filter { $0.target == target }
        let ended = standing.filter { $0.signer == me.id }
        let isOperator = me.enrolment.roles.contains(.operator)
        let others = isOperator ? standing.filter { $0.signer != me.id } : []
        let effects = try release(
            target, .limit, own: !ended.isEmpty,
            others.map { ReleasedWord(signer: $0.signer, word: $0.word) },
            reason: reason, wall: wall, at: now, using: &random)
        return (effects, ended + others)
    }

    /// - Parameters:
    ///   - own: whether this node said one itself, which it takes back.
    ///   - others: words of other operators, which it names.
    private mutating func release(
        _ target: StatementTarget, _ verb: StatementVerb, own: Bool, _ others: [ReleasedWord], reason: String,
        wall: UInt64, at now: Instant, using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> [MeshEffect] {
        // What an earlier release of this node names stays named: its quarantine may still lie somewhere.
        var named = Set(others)
        let before = said[StatementKey(origin: me.id, name: StatementBody.name(.release, target))]
        if case .release(_, let words)? = before?.body?.decision {
            let live = Set(said.all.values.map { ReleasedWord(signer: $0.origin, word: $0.hash) })
            named.formUnion(words.filter(live.contains))
        }
        // Before anything is said: what was taken back is out, whatever comes after it.
        guard others.isEmpty || named.count <= StatementBody.releasedMax else {
            throw .tooManyToRelease(named.count, max: StatementBody.releasedMax)
        }
        var effects: [MeshEffect] = []
        if own { effects += try takeBack(verb, target, at: now, using: &random) }
        guard !others.isEmpty else { return effects }
        effects += try say(
            .release(target, named.sorted()), reason: reason, wall: wall, at: now, using: &random)
        return effects
    }

    private mutating func publishStatement(
        _ verb: StatementVerb, _ name: StatementName, _ body: StatementBody?,
        using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) {
        let statement: Statement
        do throws(SigningFailure) {
            let version = DocumentVersion(incarnation: me.incarnation, life: me.life, sequence: sequence + 1)
            statement = try Statement(
                verb, name, version: version, body: body, enrolment: me.enrolment, by: me.signer)
        } catch {
            throw .signing(error)
        }
        switch said.take(statement, under: trust, by: store.signatureChecker) {
        case .taken:
            sequence += 1
            passOn(statement, from: nil)
        case .known: break
        case .outdated: throw .saidElsewhere
        case .refused(let refusal): throw .refusedStatement(refusal)
        }
    }

    // MARK: Exchanged

    mutating func receiveDecision(
        _ bytes: [UInt8], from link: LinkID, _ peer: NodeID, using random: inout some RandomNumberGenerator
    ) {
        let statement: Statement
        do throws(WireError) {
            statement = try Statement.decode(bytes)
        } catch {
            floods.charge(peer, at: now)
            return outbox.tell(.notice(.refusedDecision(nil, .malformed(error), from: peer)))
        }
        if said[statement.key]?.hash == statement.hash { return }
        guard isWithinAllowance(statement) else {
            return floods.leftOut(of: statement.origin, at: now)
        }
        switch said.take(statement, under: trust, by: store.signatureChecker) {
        case .known, .outdated: break
        case .refused(let refusal):
            if refusal.isForgery { floods.charge(peer, at: now) }
            outbox.tell(.notice(.refusedDecision(statement.key, refusal, from: peer)))
        case .taken:
            var allowance = sayings[statement.origin] ?? Allowance(sayingTerms)
            allowance.take(1, at: now)
            sayings[statement.origin] = allowance
            passOn(statement, from: link)
            // A former self of ours was ahead: from here on this one is.
            if statement.origin == me.id, statement.version.life != me.life,
                statement.version.incarnation >= me.incarnation
            {
                goAbove(statement.version, using: &random)
            }
        }
    }

    /// What one origin says anew is bounded like its documents; what is left out comes with the whole set, later.
    private func isWithinAllowance(_ statement: Statement) -> Bool {
        sayings[statement.origin].map { $0.left(at: now) > 0 } ?? true
    }

    private var sayingTerms: Allowance.Terms {
        Allowance.Terms(perSecond: limits.documentsPerSecond, burst: limits.statementsBurst)
    }

    /// Stored, then sent to every neighbour, before anything else; then shown.
    private mutating func passOn(_ statement: Statement, from link: LinkID?) {
        outbox.persist(.storeDecision(statement))
        let encoded = statement.encoded
        for other in neighbourhood.links.keys.sorted()
        where other != link && greetings[other] != nil
            && (statement.number != .limit || takesLimits(other))
        {
            outbox.state(.statements([encoded], isLast: false), other)
        }
        outbox.noteCatalogChange()
    }

    /// Lets go of allowances that are whole again.
    mutating func tidySayings() { sayings = sayings.filter { !$0.value.isWhole(at: now) } }
}
