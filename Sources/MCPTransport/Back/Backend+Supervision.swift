import JSONSlice
import Logging
import MCPModel
import NIOCore

/// The life of a backend: start, greet, list, watch, and again after a wait when it went.
extension Backend {
    /// Supervises until cancelled; then ends all links, children included, and returns.
    package func run() async {
        await serve()
        subscriptions.close()
        await client.close()
    }

    private func serve() async {
        guard let asking else { return await supervise() }
        await withTaskGroup { tasks in
            tasks.addTask { await self.supervise() }
            tasks.addTask {
                await asking.host.run { session throws(BackendFault) in try await self.openWithFace(session) }
                asking.close()
            }
        }
    }

    private func supervise() async {
        var backoff = Backoff(from: limits.backoffMin, to: limits.backoffMax)
        while !Task.isCancelled {
            events(.state(.starting, reason: ""))
            state.withLock { $0.reason = "it is starting" }
            _ = inbox.take()
            let (fault, upFor) = await live()
            let isAuthNeeded = fault.kind == .authNeeded || fault.kind == .sealed
            state.withLock { state in
                state.connection = nil
                state.reason = fault.detail
                state.isAuthNeeded = isAuthNeeded
                state.isSealed = fault.kind == .sealed
            }
            failParked(fault)
            if Task.isCancelled { break }
            tellEnd(of: fault)
            if upFor >= limits.steadyAfter { backoff.reset() }
            await pause(backoff.next(chance: chance()))
        }
        events(.state(.down, reason: "the gateway stopped it"))
    }

    /// Waits out a back-off; a person's word ends it early, other news do not.
    private func pause(_ time: Duration) async {
        let deadline = ContinuousClock.now + time
        while !Task.isCancelled, ContinuousClock.now < deadline {
            let news = await inbox.wait(for: ContinuousClock.now.duration(to: deadline), on: group.next())
            if news.isRecheck || news.isRestart { return }
        }
    }

    /// One connection from start to end.
    private func live() async -> (BackendFault, upFor: Duration) {
        let link: any BackendLink
        let greeting: Greeting
        state.withLock { $0.legacyFace = LegacyFace() }
        do throws(BackendFault) {
            let (met, said) = try await meet()
            (link, greeting) = (said.revision.era == .legacy ? talkative(met, said) {} : met, said)
        } catch {
            return (error, .zero)
        }
        let post = subscriptions.admit()
        var upSince: ContinuousClock.Instant?
        var fault: BackendFault
        do throws(BackendFault) {
            let listing = try await list(link, greeting)
            let chance = chance()
            state.withLock { $0.health.began(at: .now, chance: chance) }
            // Whoever hears that it is up and watches a resource is to have its word, not a place until it is back.
            subscribe(at: link, greeting, post: post, isFirst: true)
            cancelLeftTasks(at: link, greeting)
            publish(listing, link, greeting)
            upSince = .now
            fault = await watch(link, greeting, listing, post)
        } catch {
            fault = error
        }
        let upFor = upSince?.duration(to: .now) ?? .zero
        // Before the link closes, so that no new call runs into its end.
        state.withLock { state in
            state.connection = nil
            state.generation += 1
            state.reason = fault.detail
        }
        subscriptions.unlinked(post)
        if let ending = await link.close(), fault.kind != .cancelled { fault.detail += "; \(ending)" }
        return (fault, upFor)
    }

    /// Connects and greets; a URL that knows neither modern requests nor `initialize` is tried as HTTP+SSE of
    /// 2024-11-05, and as such first from then on.
    private func meet() async throws(BackendFault) -> (any BackendLink, Greeting) {
        let news = hearing()
        var refusal: BackendFault?
        if !state.withLock({ $0.speaksEvents }) {
            let link = try await connect(news)
            do throws(BackendFault) {
                return (link, try await greet(link))
            } catch {
                let ending = await link.close()
                guard case .refused(let status) = error.kind, [400, 404, 405].contains(status),
                    case .http = target
                else { throw BackendFault(error.kind, error.detail + (ending.map { "; \($0)" } ?? "")) }
                refusal = error
            }
        }
        let door = try door()
        do throws(BackendFault) {
            let link = LateAnswers(
                try await EventLink.open(
                    door, client: client, limits: limits, on: group.next(), news: news), group: group)
            do throws(BackendFault) {
                let greeting = try await initialize(link)
                state.withLock { $0.speaksEvents = true }
                return (link, greeting)
            } catch {
                _ = await link.close()
                throw error
            }
        } catch {
            state.withLock { $0.speaksEvents = false }
            throw refusal ?? error
        }
    }

    /// Takes the news of one link, until the next link's are taken.
    private func hearing() -> @Sendable (LinkNews) -> Void {
        let generation = state.withLock { state in
            state.generation += 1
            state.isNoisy = false
            return state.generation
        }
        return { [weak self] in self?.hear($0, generation) }
    }

    func connect(
        _ news: @escaping @Sendable (LinkNews) -> Void
    ) async throws(BackendFault) -> any BackendLink {
        switch target {
        case .stdio(let command, let args, let env, let directory):
            return LateAnswers(
                try await StdioLink.start(
                    command: command, args: args, environment: env, directory: directory, secrets: secrets,
                    limits: limits, on: group, news: news), group: group)
        case .http:
            return LateAnswers(
                HTTPLink(
                    try door(), client: client, limits: limits, on: group.next(), news: news), group: group)
        }
    }

    private func hear(_ news: LinkNews, _ generation: Int) {
        switch news {
        case .line(let line): keep(line)
        case .noise(let text):
            // Until the greeting is over nobody else would say why this takes so long; once is enough.
            let isFirst = state.withLock { state in
                guard state.generation == generation, state.connection == nil, !state.isNoisy else {
                    return false
                }
                state.isNoisy = true
                return true
            }
            if isFirst { events(.state(.starting, reason: "it writes what is no message of MCP")) }
            keep("(no message) \(text)")
        case .asked: asking?.instances.asked()
        case .changed:
            if state.withLock({ $0.generation == generation }) { inbox.post { $0.isChanged = true } }
        case .updated(let params):
            if state.withLock({ $0.generation == generation }) { subscriptions.updated(params) }
        case .taskStatus(let params, let session):
            if state.withLock({ $0.generation == generation }) {
                heard(ofTask: params, at: .first(generation: generation, session: session))
            }
        case .stray(let method): noteStray(method)
        case .hearing:
            if state.withLock({ $0.generation == generation }) { subscriptions.hearing() }
        case .sessionGone(let session):
            if state.withLock({ $0.generation == generation }) { inbox.post { $0.isGone(session) } }
        case .lost(let fault):
            if state.withLock({ $0.generation == generation }) { inbox.post { $0.lost = fault } }
        }
    }

    /// A server may send as many as it likes, so that is counted and not written down each time.
    func noteStray(_ method: String) {
        let last = String(method.prefix(Self.strayMethodMax))
        let isFirst = state.withLock { state in
            defer { state.strays = ((state.strays?.count ?? 0) + 1, last) }
            return state.strays == nil
        }
        if isFirst {
            log.debug(
                "A notification that no revision knows is nobody's.", metadata: ["mcp.method.name": "\(last)"]
            )
        }
    }

    /// Characters of a method's name that are shown.
    private static let strayMethodMax = 100

    func keep(_ line: String) {
        state.withLock { state in
            state.recentLines.append(line)
            if state.recentLines.count > limits.stderrLinesMax { state.recentLines.removeFirst() }
        }
    }

    private func publish(_ listing: BackendListing, _ link: any BackendLink, _ greeting: Greeting) {
        var parameters: [String: ParameterHeaders] = [:]
        if greeting.revision.era == .modern {
            for entry in listing.entries where entry.list == .tools {
                guard let tool = ToolDefinition(entry.definition), let headers = try? tool.parameterHeaders(),
                    !headers.parameters.isEmpty
                else { continue }
                parameters[tool.name] = headers
            }
        }
        state.withLock { state in
            state.lastConnection += 1
            state.connection = Connection(
                link: heard(link), number: state.lastConnection, generation: state.generation,
                greeting: greeting, parameters: parameters,
                refusedTools: listing.refusedTools,
                taskSupport: Self.taskSupport(of: listing))
            state.legacyFace.forgetLists()
            state.isAuthNeeded = false
            state.isSealed = false
            state.told = nil
        }
        events(.listed(listing))
        tellCondition(of: listing)
    }

    /// Keeps the listing current until the link is of no more use.
    private func watch(
        _ link: any BackendLink, _ greeting: Greeting, _ listing: BackendListing, _ post: Int
    ) async -> BackendFault {
        let isTold =
            greeting.revision.era == .legacy
            && ListChange.allCases.allSatisfy { change in
                greeting.capabilities[change.capability].map { $0["listChanged"]?.bool == true } ?? true
            }
        state.withLock { $0.isTold = isTold }
        let (greetings, greeted) = AsyncStream.makeStream(
            of: Greeting.self, bufferingPolicy: .bufferingNewest(1))
        return await withTaskGroup { tasks in
            tasks.addTask { () -> BackendFault? in
                await link.attend()
                // Whatever told of changes has ended.
                self.state.withLock { if greeting.revision.era == .legacy { $0.isTold = false } }
                return nil
            }
            tasks.addTask { () -> BackendFault? in
                await self.listen(link, greeting, anew: greetings)
                return nil
            }
            tasks.addTask { () -> BackendFault? in
                await self.follow(link, greeting, listing, post) { greeted.yield($0) }
            }
            for await fault in tasks {
                guard let fault else { continue }
                tasks.cancelAll()
                return fault
            }
            return BackendFault(.cancelled, "the gateway stopped it")
        }
    }

    /// Lists again when it is told to or the time has come, and probes when nothing was heard for a while: one task, so
    /// a backend is asked one thing at a time by whoever watches it.
    ///
    /// - Parameter greeted: told when a modern backend has come to offer something else.
    private func follow(
        _ link: any BackendLink, _ first: Greeting, _ listed: BackendListing, _ post: Int,
        greeted: (Greeting) -> Void
    ) async -> BackendFault {
        var (greeting, listing) = (first, listed)
        var (listedAt, slack) = (ContinuousClock.now, chance())
        var pace = RelistPace(every: limits.relistMin, at: listedAt)
        while true {
            let listDue = listedAt + pollInterval(greeting, slack)
            let due = state.withLock { $0.health.probeDue }.map { min($0, listDue) } ?? listDue
            var news = await inbox.wait(for: ContinuousClock.now.duration(to: due), on: group.next())
            if Task.isCancelled { return BackendFault(.cancelled, "the gateway stopped it") }
            if let lost = news.lost { return lost }
            if news.isRestart { return restarted() }
            if news.isHealth { tellCondition(of: listing) }
            // One is opened in place of each that is gone, however many calls had found it so.
            if let gone = news.goneSession, gone < link.sessionNumber {
                news.goneSession = nil
                resendParked()
            }
            if news.asksForNoListing, ContinuousClock.now < listDue {
                guard let fault = await probe(link, greeting, listing) else { continue }
                guard fault.kind == .sessionGone else { return fault }
                news.goneSession = link.sessionNumber
            }
            if news.isChanged || news.isSuspect {
                // What changes together is listed once.
                try? await Task.sleep(for: max(limits.changeWindow, pace.take(at: .now)))
                let more = inbox.take()
                if let lost = more.lost { return lost }
                if more.isRestart { return restarted() }
                if let gone = more.goneSession, gone == link.sessionNumber { news.goneSession = gone }
                news.isRecheck = news.isRecheck || more.isRecheck
            }
            // Whoever asked anew waits for a word, also where there is no news.
            if news.isRecheck { state.withLock { $0.told = nil } }
            do throws(BackendFault) {
                let isGone = news.goneSession != nil
                var isAnew = isGone
                let before = greeting
                greeting = isAnew ? try await greet(link) : try await greetedAnew(link, greeting)
                let fresh: BackendListing
                do throws(BackendFault) {
                    fresh = try await list(link, greeting)
                } catch  where error.kind == .sessionGone && !isGone {
                    greeting = try await greet(link)
                    fresh = try await list(link, greeting)
                    isAnew = true
                }
                noteListing(nil)
                if fresh != listing || isGone || news.isRecheck {
                    publish(fresh, link, greeting)
                } else {
                    tellCondition(of: fresh)
                }
                listing = fresh
                (listedAt, slack) = (.now, chance())
                let isOther = greeting.capabilities != before.capabilities
                if isOther { greeted(greeting) }
                if isAnew || isOther { subscribe(at: link, greeting, post: post, isFirst: true) }
                resendParked()
            } catch {
                guard error.spoilsListingOnly else { return error }
                // The server answers, and its lists alone cannot be read: calls go on, and what was listed stands.
                noteListing(error)
                tellCondition(of: listing)
                (listedAt, slack) = (.now, chance())
                resendParked()
            }
        }
    }

    /// The end of a connection that was asked for; the next one begins without a wait.
    private func restarted() -> BackendFault {
        inbox.post { $0.isRecheck = true }
        return BackendFault(.lost, "it is being restarted")
    }

    /// When to list again if nobody says so. A backend that tells of its changes is asked rarely, to notice a
    /// change that got lost on the way.
    ///
    /// - Parameter slack: 0 to 1.
    private func pollInterval(_ greeting: Greeting, _ slack: Double) -> Duration {
        let (isTold, ttl) = state.withLock { ($0.isTold, $0.ttl) }
        let step = isTold ? limits.pollInterval * 10 : max(ttl ?? limits.pollInterval, limits.pollMin)
        // Up to a tenth later, so that many backends are not asked at once.
        return step + step / 10 * slack
    }
}
