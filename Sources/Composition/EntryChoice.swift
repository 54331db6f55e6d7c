package import Catalog
import JSONSlice

/// Entries of some nodes, chosen by what they are: new ones that fit are chosen as they appear.
///
/// The nodes are listed, or an operator approved the entry as it is, since whoever may say what an entry is decides what is chosen: a node that joins must not be able to put a
/// tool into a virtual server by giving it the right tags.
package struct EntryChoice<Server: ServerReference>: Hashable, Sendable {
    package var selection: Selection
    /// None twice.
    package var owners: [Server.Node]
    /// Whether entries of any node are chosen whose very definition an operator approved for the mesh; else there is an owner.
    package var takesApproved: Bool

    package init(where selection: Selection, owners: [Server.Node], takesApproved: Bool = false) {
        self.selection = selection
        self.owners = owners
        self.takesApproved = takesApproved
    }
}

extension EntryChoice {
    static var ownerForm: String { "node:NAME, the name of a node, or approved" }
    /// Among the owners: whatever an operator approved, whoever owns it.
    static var approvedWord: String { "approved" }

    /// - Returns: `nil` inside for ``approvedWord``.
    static func owner(_ text: String) -> Server.Node?? {
        if text == approvedWord { return .some(nil) }
        return text.hasPrefix("node:")
            ? Server.node(reference: String(text.dropFirst(5))).map { .some($0) } : nil
    }

    var ownerReferences: [String] {
        owners.map { "node:\(Server.reference(ofNode: $0))" } + (takesApproved ? [Self.approvedWord] : [])
    }

    /// - Returns: `nil` when something is wrong; the section then has a problem.
    init?(reading section: inout ConfigSection) {
        let owners = section.list(
            "owners", of: Self.ownerForm, atMost: DefinitionLimits.ownersMax, Self.owner)
        guard let text = section.text("where") else { return nil }
        if section.value("owners")?.elements.isEmpty ?? true {
            section.report(
                "where",
                "needs owners: beside it, the nodes whose entries it may choose: [node:NAME, …], or [approved] for what operators approved"
            )
        }
        var seen: Set<Server.Node> = []
        do {
            let selection = try Selection(text)
            for column in SelectionColumn.allCases
            where selection.columns.contains(column) && !column.isLasting {
                section.report(
                    "where",
                    "\(column) depends on the moment or on the node that looks; what a virtual server holds must not"
                )
            }
            self.init(
                where: selection, owners: owners.compactMap(\.self).filter { seen.insert($0).inserted },
                takesApproved: owners.contains { $0 == nil })
        } catch {
            section.report("where", error.detail)
            return nil
        }
    }
}

extension EntryChoice where Server == ServerKey {
    /// The servers that it looks at, by owner and name.
    ///
    /// - Complexity: O(servers)
    func servers(in catalog: CatalogSnapshot) -> [ServerKey] {
        let approved = takesApproved ? Set(catalog.approvals.all.map(\.address.server)) : []
        return catalog.servers.keys.filter { owners.contains($0.owner) || approved.contains($0) }.sorted()
    }

    func chooses(_ entry: Entry, of server: ServerRecord, in catalog: CatalogSnapshot, _ nodes: NodeNames)
        -> Bool
    {
        let owner = server.key.owner
        guard owners.contains(owner) || (takesApproved && catalog.approvals.contains(entry, of: server.key))
        else { return false }
        let row = CatalogRow(
            kind: entry.kind, name: entry.name, definition: entry.definition, server: server,
            node: catalog.nodes[owner], nodeName: nodes[owner])
        return selection.matches(row.value)
    }
}

/// What chosen entries are called. Others come and go beside them, so a name here is made of its own entry alone, and no other entry
/// of the virtual server can come to bear it.
enum ChosenNaming {
    /// Base32 characters of hash: 80 bits, which nobody finds a second text for.
    static let hashLength = 16

    /// `NODE--SERVER__ENTRY`; where that does not fit, or looks as if it were cut, cut and marked by its hash.
    static func name(node: String, server: Label, entry: String, lengthMax: Int) -> String {
        let whole = EntryNaming.whole(node: node, server: server, entry: entry)
        if EntryNaming.isLegal(whole), whole.utf8.count <= lengthMax, !looksMarked(whole) { return whole }
        return EntryNaming.marked(whole, lengthMax: lengthMax, hashLength: hashLength)
    }

    /// What every name of a node's chosen entries begins with; nothing else in that virtual server may.
    static func prefix(node: String, lengthMax: Int) -> String {
        String("\(node)--".prefix(max(1, lengthMax - hashLength - 1)))
    }

    private static func looksMarked(_ name: String) -> Bool {
        let end = name.utf8.suffix(hashLength + 1)
        return end.first == UInt8(ascii: "_")
            && end.dropFirst().allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "2")...UInt8(ascii: "7")).contains($0)
            }
    }
}
