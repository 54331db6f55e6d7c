/// Why the database refuses.
package enum StorageError: Error, Hashable, Sendable {
    /// Written by a later version; this one would not understand it.
    case newerSchema(path: String)
    case damaged(detail: String)
    case diskFull
    case busy
    /// The folder or disk does not let us.
    case inaccessible(detail: String)
    case failed(code: Int32, detail: String)
    /// A text that cannot be stored faithfully.
    case unstorable(what: String)
    case counterExhausted(String)
}

extension StorageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .newerSchema(let path):
            "\(path) was written by a later version of martlet; run that version, or restore a backup made "
                + "before the update"
        case .damaged(let detail):
            "the database is damaged (\(detail)); stop the node and restore its data folder from a backup"
        case .diskFull:
            "the disk is full; nothing was changed: make room and try again"
        case .busy:
            "the database is locked by another program; close whatever has martlet.db open"
        case .inaccessible(let detail):
            "the database cannot be read or written (\(detail)); check the disk and the folder's rights"
        case .failed(let code, let detail):
            "the database refused (SQLite \(code): \(detail)); nothing was changed"
        case .unstorable(let what):
            "\(what) holds a NUL character and is not stored; remove it"
        case .counterExhausted(let what):
            "\(what) has run out; this node needs a new identity"
        }
    }
}
