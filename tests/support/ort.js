// ONNX Runtime on files: node ort.js FOLDER NAME …, with the module in ANET_ORT. Runs FOLDER/NAME.onnx on FOLDER/NAME.npy (f32,
// one input) and writes its outputs as FOLDER/NAME.1.npy, FOLDER/NAME.2.npy, …; a line for each model: 'NAME OUTPUT,…'.
const ort = require(process.env.ANET_ORT)
const fs = require('fs')
const [folder, ...names] = process.argv.slice(2)

function load(path) {
  const bytes = fs.readFileSync(path)
  const start = 10 + bytes.readUInt16LE(8)
  const dims = bytes.toString('latin1', 10, start).match(/'shape': \(([^)]*)\)/)[1].match(/\d+/g).map(Number)
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length))
  return new ort.Tensor('float32', data, dims)
}

function save(path, tensor) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tensor.dims.map(d => d + ',').join(' ')}), }`
  const header = Buffer.alloc(Math.ceil((text.length + 11) / 64) * 64, ' ')
  header.write('\x93NUMPY\x01\x00', 'latin1')
  header.writeUInt16LE(header.length - 10, 8)
  header.write(text, 10)
  header[header.length - 1] = 10
  const {buffer, byteOffset, byteLength} = Float32Array.from(tensor.data, Number)
  fs.writeFileSync(path, Buffer.concat([header, Buffer.from(buffer, byteOffset, byteLength)]))
}

async function run(name) {
  const session = await ort.InferenceSession.create(`${folder}/${name}.onnx`, {intraOpNumThreads: 1, logSeverityLevel: 3})
  const outputs = await session.run({[session.inputNames[0]]: load(`${folder}/${name}.npy`)})
  session.outputNames.forEach((output, i) => save(`${folder}/${name}.${i + 1}.npy`, outputs[output]))
  await session.release()
  console.log(`${name} ${session.outputNames.join(',')}`)
}

async function main() {
  for (const name of names) await run(name)
}

main().catch(error => {
  console.error(String(error))
  process.exit(1)
})
