import JSONSlice
import MCPModel
import NIOCore

/// Tasks of a legacy backend that only the gateway knows: it waits for them on behalf of callers who know none.
extension Backend {
    /// The link, at which each call is made as a task and waited for.
    func hiding(_ link: any BackendLink) -> any BackendLink {
        TaskingLink(
            link: link, nextNumber: { [weak self] in self?.nextNumber() ?? 0 }, loop: group.any(),
            cancelTime: limits.listTimeout, namingTime: limits.taskNamingMax,
            told: { [weak self] in self?.note($0) })
    }

    private func note(_ word: TaskingLink.Word) {
        withTasks { tasks in
            switch word {
            case .made(let task, let key):
                tasks.hides(EraBridge.modernTask(fromLegacy: task), as: key, at: .now)
            case .over(let key): tasks.hidesNoMore(key)
            // A child's task went with it, and the next child may give another its id.
            case .adrift(let key): hasStreamPerRequest ? tasks.leaves(key) : tasks.hidesNoMore(key)
            }
        }
    }

    /// Has those cancelled that may run on, since an earlier life or an earlier link ended before them. A task that its server
    /// has forgotten, or that is over, is one less. To be called before the link is open to calls, so that a server which
    /// gives an id again does so later.
    func cancelLeftTasks(at link: any BackendLink, _ greeting: Greeting) {
        for key in withTasks({ $0.takeLeft() }) {
            link.send(
                own(Method.tasksCancel, ["taskId": .string(key.id)], revision: greeting.revision),
                within: limits.listTimeout, on: group.any()
            ) { [weak self] in self?.withTasks { $0.hidesNoMore(key) } }
        }
    }
}
