import Catalog
import MartletTestKit
import Mesh

let arguments = Array(CommandLine.arguments.dropFirst())
let count = arguments.first.flatMap { Int($0) } ?? 100
let clock = CPUClock()
let began = clock.now
let town = try Town(count, seed: 1, loss: 0.0)
print("built", clock.now - began)
let took = try town.settle()
print("settled", clock.now - began, "virtual", took, "bytes", town.mesh.bytesSent, "frames", town.mesh.framesSent)
let t1 = clock.now
town.mesh.run(for: .seconds(30))
print("30 s of peace", clock.now - t1)
let t2 = clock.now
try town.mesh.publish(town.nodes[count / 2], "files", tools: 20, padding: 200)
town.mesh.run(for: .seconds(2))
print("2 s of a change", clock.now - t2)
let t3 = clock.now
town.mesh.kill(town.nodes[count / 3])
town.mesh.run(for: .seconds(2))
print("2 s of a kill", clock.now - t3)
