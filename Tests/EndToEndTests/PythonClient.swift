/// placeholder while the scripts are written
struct PythonClient { static let isInstalled = true }
