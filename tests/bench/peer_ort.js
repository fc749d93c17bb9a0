// ONNX Runtime as a worker: answers `KIND NAME BATCH RUNS` lines (KIND: model) with milliseconds, one a run.
// node peer_ort.js THREADS FOLDER: the folder holds NAME_bBATCH.onnx. KIND check runs once, from the floats of
// FOLDER/check.x to FOLDER/check.y.
const ort = require(process.env.ANET_ORT || 'onnxruntime-node')
const fs = require('fs')
const readline = require('readline')
const [threads, folder] = [Number(process.argv[2]), process.argv[3]]

let key = ''
let session = null
let feeds = null

function noise(count) {
  const values = new Float32Array(count)
  for (let i = 0, state = 1; i < count; i++) {
    state = (state * 16807) % 2147483647
    values[i] = state / 1073741823.5 - 1
  }
  return values
}

async function load(name, batch) {
  if (session) await session.release()
  session = await ort.InferenceSession.create(`${folder}/${name}_b${batch}.onnx`, {
    executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential',
    graphOptimizationLevel: 'all', enableCpuMemArena: true, enableMemPattern: true,
  })
  const suffix = name.match(/_(\d\d+)$/)
  const size = suffix ? Number(suffix[1]) : 224
  feeds = {x: new ort.Tensor('float32', noise(batch * 3 * size * size), [batch, 3, size, size])}
}

async function check() {
  const bytes = fs.readFileSync(`${folder}/check.x`)
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const {y} = await session.run({x: new ort.Tensor('float32', values.slice(), feeds.x.dims)})
  fs.writeFileSync(`${folder}/check.y`, Buffer.from(y.data.buffer, y.data.byteOffset, y.data.byteLength))
}

async function answer(line) {
  const [kind, name, batch, runs] = line.trim().split(' ')
  if (key !== `${name} ${batch}`) await load(name, Number(batch))
  key = `${name} ${batch}`
  if (kind === 'check') await check()
  const times = []
  for (let i = 0; i < Number(runs); i++) {
    const began = process.hrtime.bigint()
    await session.run(feeds)
    times.push(Number(process.hrtime.bigint() - began) / 1e6)
  }
  console.log(times.join(' '))
}

async function main() {
  for await (const line of readline.createInterface({input: process.stdin})) await answer(line)
}

main()
