/**
 * What some tests need and not every machine has: a program, or the right to mount a file system.
 *
 * A test that needs one says so in its options and is skipped by name where it is missing; the runner
 * lists every skipped test at the end. With OCTOPUS_REQUIRE_TOOLS=1 (continuous integration) a
 * missing tool is an error instead, so that no test disappears unseen.
 *
 *     t.test('the order of system calls', { skip: requireTool('strace') }, async (t) => { … })
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Tool {
  /** What a person reads when it is missing. */
  readonly missing: string
  /** Another test shows the same without it, less truly: its absence is no error in continuous integration. */
  readonly isOptional?: true
  readonly present: () => boolean
}

function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

/** Whether strace gets hold of a process that is not its child. */
const ATTACH = `
sleep 9 & traced=$!
strace -qq -o /dev/null -e trace=none -p $traced & strace=$!
for _ in $(seq 200); do
  if grep -q '^TracerPid:.*[1-9]' /proc/$traced/status; then kill -9 $traced; wait $strace; exit 0; fi
  sleep 0.01
done
kill $traced
exit 1`

/** By which name this machine starts Chromium; OCTOPUS_CHROMIUM says otherwise. */
const chromiumNames = [
  ...(process.env.OCTOPUS_CHROMIUM ? [process.env.OCTOPUS_CHROMIUM] : []),
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
]

export function chromium(): string | undefined {
  return chromiumNames.find((name) => runs(name, '--version'))
}

const tools = {
  chromium: {
    missing: 'Chromium is not installed (OCTOPUS_CHROMIUM can name it)',
    isOptional: true,
    present: () => chromium() !== undefined,
  },
  strace: {
    missing: 'strace is not installed or may not trace here',
    // Installed is not enough: some containers forbid ptrace, some systems that of a process which is no child.
    present: () => runs('sh', '-c', ATTACH),
  },
  tmpfs: {
    missing: 'a small file system of its own needs root and the right to mount',
    present: () => {
      const directory = mkdtempSync(join(tmpdir(), 'octopus-mount-'))
      try {
        return runs('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory) && runs('umount', directory)
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    },
  },
} satisfies Record<string, Tool>

export type ToolName = keyof typeof tools

const known = new Map<ToolName, boolean>()

/**
 * The value for a test's `skip` option: false where the tool is there, else the reason.
 * Throws where the tool is missing and OCTOPUS_REQUIRE_TOOLS=1, unless another test stands in for it.
 */
export function requireTool(name: ToolName): false | string {
  const tool: Tool = tools[name]
  const present = known.get(name) ?? tool.present()
  known.set(name, present)
  if (present) return false
  if (process.env.OCTOPUS_REQUIRE_TOOLS === '1' && !tool.isOptional)
    throw new Error(`OCTOPUS_REQUIRE_TOOLS=1, but ${tool.missing}`)
  return tool.missing
}
