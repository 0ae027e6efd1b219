// bench_peers.js - qcc and onnxruntime on the same networks, in turns; started by bench_peers.sh
//
//   node bench_peers.js BUILD MODELS [OPTION...]
//     --networks=a,b   of those in MODELS (NAME_fp32.onnx, NAME_u8s8_qdq.onnx); all that are there
//     --threads=1,2    --batch=1,8    --forms=fp32,int8    --rounds=15
//     --no-amx         AMX is refused to onnxruntime, and qcc takes the bundle below
//     --target=BUNDLE  of qcc
//     --tune           variants of qcc's kernels are measured first; what is found stays in the cache
//     --json=FILE      writes the figures
//
// Each engine is a process of its own that runs when it is told to; the other one sleeps meanwhile.
// A round is a slot of about 100 ms for each. Ratios are onnxruntime's time over qcc's.
'use strict';
const fs = require('fs');
const path = require('path');
const child = require('child_process');
const readline = require('readline');

// ---- .npy of f32 --------------------------------------------------------------------------------

function readNpy(file) {
    const bytes = fs.readFileSync(file);
    const start = 10 + bytes.readUInt16LE(8);
    const header = bytes.toString('latin1', 10, start);
    const dims = /'shape': \(([^)]*)\)/.exec(header)[1].split(',').filter(s => s.trim()).map(Number);
    const data = bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length);
    return {dims, data: new Float32Array(data)};
}

function writeNpy(file, dims, data) {
    let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(', ')},), }`;
    header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
    const bytes = Buffer.alloc(10 + header.length);
    bytes.write('\x93NUMPY\x01\x00', 'latin1');
    bytes.writeUInt16LE(header.length, 8);
    bytes.write(header, 10, 'latin1');
    fs.writeFileSync(file, Buffer.concat([bytes, Buffer.from(data.buffer, 0, data.byteLength)]));
}

// ---- the onnxruntime worker: the commands of peer_session.c -----------------------------------------

async function work([modules, model, input, threads]) {
    const ort = require(path.join(modules, 'onnxruntime-node'));
    const session = await ort.InferenceSession.create(model, {
        intraOpNumThreads: Number(threads), interOpNumThreads: 1, graphOptimizationLevel: 'all'});
    const x = readNpy(input);
    const feeds = {[session.inputNames[0]]: new ort.Tensor('float32', x.data, x.dims)};
    let result;
    console.log('ready');
    for await (const line of readline.createInterface({input: process.stdin})) {
        const [verb, what] = line.split(' ');
        if (verb === 'run') {
            const ms = [];
            for (let i = 0; i < Number(what); i++) {
                const start = process.hrtime.bigint();
                result = await session.run(feeds);
                ms.push(Number(process.hrtime.bigint() - start) / 1e6);
            }
            console.log(ms.map(t => t.toFixed(4)).join(' '));
        } else {
            const y = result[session.outputNames[0]];
            writeNpy(what, y.dims, y.data);
            console.log('saved');
        }
    }
}

// ---- the driver -------------------------------------------------------------------------------------

// A process that answers one line for each line that it is sent.
class Worker {
    constructor(command, args, env) {
        const stdio = ['pipe', 'pipe', 'inherit'];
        this.process = child.spawn(command, args, {stdio, env: {...process.env, ...env}});
        this.lines = readline.createInterface({input: this.process.stdout})[Symbol.asyncIterator]();
    }
    async answer() {
        const {value, done} = await this.lines.next();
        if (done) throw new Error('a worker ended');
        return value;
    }
    async ask(line) {
        this.process.stdin.write(line + '\n');
        return this.answer();
    }
    async run(n) {
        return (await this.ask(`run ${n}`)).split(' ').map(Number);
    }
    end() {
        this.process.stdin.end();
    }
}

const pause = ms => new Promise(done => setTimeout(done, ms));
const median = list => [...list].sort((a, b) => a - b)[list.length >> 1];

function sqnr(reference, y) {
    let signal = 0, noise = 0;
    for (let i = 0; i < reference.length; i++) {
        signal += reference[i] ** 2;
        noise += (reference[i] - y[i]) ** 2;
    }
    return noise === 0 ? Infinity : 10 * Math.log10(signal / noise);
}

// Normal numbers by a fixed sequence: what normalized images and hidden states look like.
function makeInput(file, dims) {
    let state = 1;
    const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const data = new Float32Array(dims.reduce((a, b) => a * b));
    for (let i = 0; i < data.length; i++)
        data[i] = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    writeNpy(file, dims, data);
}

// Slots in turns until there are enough; what came before both were warm does not count.
async function compare(ours, theirs, rounds) {
    const slot = 100, ms = {ours: [], theirs: []};
    const engines = [['ours', ours], ['theirs', theirs]];
    const runs = {};
    for (const [name, worker] of engines) {
        await worker.run(3);
        runs[name] = Math.max(1, Math.round(slot / median(await worker.run(3))));
    }
    for (let round = 0; round < rounds; round++)
        for (const [name, worker] of engines) {
            ms[name].push(...await worker.run(runs[name]));
            await pause(20); // whatever threads still spin go to sleep
        }
    return ms;
}

async function measure(o, network, form, batch, threads) {
    const model = path.join(o.models, `${network}_${form === 'int8' ? 'u8s8_qdq' : 'fp32'}.onnx`);
    if (!fs.existsSync(model)) return null;
    const work = path.join(o.build, 'bench');
    const program = path.join(work, `${network}.${form}.bin`);
    const pipeline = path.join(__dirname, '../../pipelines', form === 'int8' ? 'qat_int8' : 'float');
    if (!o.made.has(program))
        child.execFileSync(path.join(o.build, 'tools/qcc'),
                           ['compile', '-p', pipeline + '.yaml', model, '-o', program],
                           {stdio: ['ignore', 'ignore', 'inherit']});
    o.made.add(program);
    const input = path.join(work, 'x.npy');
    const dims = network.startsWith('bert') ? [batch, 128, 768] : [batch, 3, 224, 224];
    makeInput(input, dims);
    if (o.tune)
        child.execFileSync(path.join(o.build, 'tools/qcc'),
                           ['dump', program, '--stats', '--tune=fast', `--shape=${dims}`,
                            ...(o.target ? [`--target=${o.target}`] : [])],
                           {stdio: ['ignore', 'ignore', 'inherit']});
    const refuse = {LD_PRELOAD: path.join(o.build, 'tests/librefuse_amx.so')};
    const target = o.target ? [o.target] : [];
    const ours = new Worker(path.join(o.build, 'tests/peer_session'),
                            [program, input, String(threads), ...target], {});
    const theirs = new Worker(process.execPath, [__filename, '--worker', o.modules, model, input,
                                                 String(threads)], o.amx ? {} : refuse);
    try {
        await ours.answer();
        await theirs.answer();
        const ms = await compare(ours, theirs, o.rounds);
        const y = [path.join(work, 'ours.npy'), path.join(work, 'theirs.npy')];
        await ours.ask(`save ${y[0]}`);
        await theirs.ask(`save ${y[1]}`);
        const row = {network, form, batch, threads};
        for (const side of ['ours', 'theirs'])
            row[side] = {min: Math.min(...ms[side]), median: median(ms[side])};
        row.ratio = {min: row.theirs.min / row.ours.min, median: row.theirs.median / row.ours.median};
        row.sqnr = sqnr(readNpy(y[1]).data, readNpy(y[0]).data);
        return row;
    } finally {
        ours.end();
        theirs.end();
    }
}

const columns = ['network', 'form', 'batch', 'threads', 'qcc min', 'median', 'ORT min', 'median',
                 'ORT/qcc min', 'median', 'SQNR dB'];

function print(row) {
    const {ours, theirs, ratio} = row;
    const cells = [row.network, row.form, row.batch, row.threads,
                   ...[ours.min, ours.median, theirs.min, theirs.median].map(t => t.toFixed(3)),
                   ratio.min.toFixed(2), ratio.median.toFixed(2), row.sqnr.toFixed(1)];
    console.log('| ' + cells.map((c, i) => String(c).padEnd(columns[i].length)).join(' | ') + ' |');
}

function options([build, models, ...rest]) {
    const o = {build, models, threads: '1,2', batch: '1,8', forms: 'fp32,int8', rounds: '15'};
    for (const argument of rest) {
        const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/.exec(argument) || [];
        const known = ['networks', 'threads', 'batch', 'forms', 'rounds', 'no-amx', 'target', 'tune',
                       'json'];
        if (!known.includes(name)) throw new Error(`unknown option ${argument}`);
        o[name] = value;
    }
    const there = fs.readdirSync(models).map(f => /^(.+)_fp32\.onnx$/.exec(f)).filter(Boolean);
    return {
        ...o, made: new Set(), amx: !('no-amx' in o), tune: 'tune' in o,
        modules: path.join(build, 'bench/node_modules'),
        target: o.target || ('no-amx' in o ? 'x86-64-v4+vnni+vbmi' : null),
        networks: o.networks ? o.networks.split(',') : there.map(m => m[1]),
        ...Object.fromEntries(['threads', 'batch'].map(k => [k, o[k].split(',').map(Number)])),
        forms: o.forms.split(','), rounds: Number(o.rounds)};
}

async function main(args) {
    const o = options(args), rows = [];
    console.log('| ' + columns.join(' | ') + ' |');
    console.log('|' + columns.map(c => '-'.repeat(c.length + 2)).join('|') + '|');
    for (const network of o.networks)
        for (const form of o.forms)
            for (const batch of o.batch)
                for (const threads of o.threads) {
                    const row = await measure(o, network, form, batch, threads);
                    if (!row) continue;
                    rows.push(row);
                    print(row);
                }
    if (o.json) fs.writeFileSync(o.json, JSON.stringify(rows, null, 1) + '\n');
}

const args = process.argv.slice(2);
(args[0] === '--worker' ? work(args.slice(1)) : main(args)).catch(error => {
    console.error(`bench_peers: ${error.message}`);
    process.exit(1);
});
