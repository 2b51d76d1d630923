#!/usr/bin/env node
/**
 * The launcher: plain JavaScript that any Node from 18 on can read. The hub runs on Node 24 (TypeScript run directly,
 * JSON with source text access); started by an older Node it hands over to the Node that `npm ci` installed beside it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const nodeMajorMin = 24;
const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));

if (Number.parseInt(process.versions.node, 10) >= nodeMajorMin) await runHere();
else handOver(findNode());

async function runHere() {
  const { enableCompileCache } = await import('node:module');
  // Compiled code of an earlier start; not in a shared temporary directory, where another user could plant code.
  const cache = join(here, '..', 'node_modules', '.cache', 'hub');
  enableCompileCache?.(cache);
  // Worker threads find it here.
  process.env.NODE_COMPILE_CACHE ??= cache;
  const { runCli } = await import('../src/cli.ts');
  await runCli(process.argv.slice(2));
}

/** The binary of the `node` package. @returns undefined when its install script did not run */
function findNode() {
  try {
    const path = join(
      dirname(require.resolve('node/package.json')),
      'bin',
      process.platform === 'win32' ? 'node.exe' : 'node',
    );
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

function handOver(node) {
  if (node === undefined) {
    process.stderr.write(
      `The hub needs Node ${nodeMajorMin} or newer; this is Node ${process.versions.node}, and the Node that comes with ` +
        "the hub is not installed.\nRun `npm ci` in the hub's folder (with install scripts allowed: `npm rebuild node`), " +
        `or start the hub with Node ${nodeMajorMin}.\n`,
    );
    process.exit(1);
  }
  // The channel tells the hub when this launcher dies without a signal it could forward (kill -9): it must not outlive it.
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, HUB_LAUNCHER_PID: String(process.pid) },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`${node} does not start: ${error.message}\nRun \`npm rebuild node\` in the hub's folder.\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
