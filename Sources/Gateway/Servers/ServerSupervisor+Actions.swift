import Catalog
import JSONSlice
import Logging
import MCPTransport
import Storage
import Vault

extension ServerSupervisor.Actions {
    /// Tells the mesh of servers that may be told of, keeps the others on this node, and makes backends whose secrets come
    /// from the vault, each opened for one use.
    static func of(
        seat: MeshSeat, assembly: CatalogAssembly, privates: PrivateManifests, tasks: TaskLedger,
        secrets: SecretStore, formerUses: FormerUses, pins: PinDesk,
        clients: BackendClients, limits: LimitSettings,
        audience: @escaping @Sendable (ServerDefinition) -> ServerAudience, log: Logger
    ) -> ServerSupervisor.Actions {
        let executable = OwnExecutable.path ?? BackendTarget.ownCommand
        let seal = StateSeal.ofThisLife(of: seat.id)
        return ServerSupervisor.Actions(
            publish: { definition, record, manifest in
                let name = record.key.name
                let audience = audience(definition)
                switch audience {
                case .everyone, .only:
                    var scope: ServerScope?
                    if case .only(let some) = audience { scope = some }
                    assembly.share(name, with: audience)
                    await seat.publish(record, manifest, to: scope)
                    await privates.forget(name)
                case .nobody:
                    // Not listed yet in this life: what it was last known to offer stands.
                    assembly.keep(record, manifest ?? privates.last(of: name))
                    await seat.withdraw(name)
                    if let manifest { await privates.keep(manifest, of: name) }
                }
            },
            withdraw: { name in
                assembly.forgetServer(name)
                await seat.withdraw(name)
                await privates.forget(name)
                tasks.forget(name)
                await pins.forget(name)
            },
            makeBackend: { definition, events in
                pins.glass.expect(definition.name, under: definition.approve)
                let opener = Node.opener(of: secrets, for: definition.audience)
                let formers = formerUses.opener(of: secrets, for: definition.audience)
                let (http, isOwn) = clients.client(for: definition, secrets: opener, formers: formers)
                return Backend(
                    name: definition.name.text, target: BackendTarget(definition, executable: executable),
                    limits: limits.back(of: definition), group: EventLoops.shared, http: http,
                    tokens: clients.tokens(for: definition, by: http, secrets: opener, formers: formers),
                    ownsHTTP: isOwn,
                    secrets: opener, formers: formers,
                    seal: seal,
                    memory: tasks.memory(of: definition), log: log,
                    clientInfo: ["name": "martlet", "version": .string(SoftwareVersion.current)],
                    events: events)
            },
            judge: { await pins.judge($0, $1) })
    }
}
