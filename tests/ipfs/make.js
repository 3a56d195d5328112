// Writes an image as IPFS has it, made with the importer of Helia: each block in
// a file named by its CID, and the CIDs of its roots in `roots.json`.
//
//     node make.js FOLDER

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

const folder = process.argv[2]
const blocks = join(folder, 'blocks')
mkdirSync(blocks, { recursive: true })

// As much of a blockstore as the importer asks for.
const store = {
  put (cid, block) {
    writeFileSync(join(blocks, cid.toString()), block)
    return cid
  }
}

const text = (words) => new TextEncoder().encode(words)
// Bytes that differ from chunk to chunk.
const large = Uint8Array.from({ length: 1_000_000 }, (_, n) => (n * n + (n >> 8)) % 251)

function * files () {
  yield { path: 'bin/main.wasm', content: text('\0asm of a test') }
  yield { path: 'etc/empty', content: new Uint8Array() }
  yield { path: 'etc/large', content: large }
  yield { path: 'etc/größe', content: text('a name that is not ASCII') }
  for (let n = 0; n < 1500; n++) {
    yield { path: `usr/lib/many/file-${n}`, content: text(`contents of ${n}`) }
  }
}

const common = {
  wrapWithDirectory: true,
  chunker: fixedSize({ chunkSize: 16_384 }),
  // So that a file has several levels.
  layout: balanced({ maxChildrenPerNode: 5 }),
  shardSplitThresholdBytes: 8192
}
const roots = {}
for (const [name, options] of Object.entries({
  v1: { cidVersion: 1, rawLeaves: true },
  v0: { cidVersion: 0, rawLeaves: false }
})) {
  let last
  for await (const entry of importer(files(), store, { ...common, ...options })) {
    last = entry
  }
  roots[name] = last.cid.toString()
}
writeFileSync(join(folder, 'roots.json'), JSON.stringify(roots))
