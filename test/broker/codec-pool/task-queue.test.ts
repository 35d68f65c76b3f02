/** What waits for workers: an obvious model, and the rules one by one. */
import t from 'tap'
import { RestartBudget } from '../../../broker/codec-pool/restart-budget.ts'
import { TaskQueue, type Urgency } from '../../../broker/codec-pool/task-queue.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const limits = { produce: { tasksMax: 4, bytesMax: 1000 }, read: { tasksMax: 2, bytesMax: 500 } }
const MIB = 1024 * 1024

t.test('random offers and takes, against an obvious model', async (t) => {
  const random = seededRandom(t)
  interface Task {
    readonly urgency: Urgency
    readonly bytes: number
    readonly id: number
  }
  const queue = new TaskQueue<Task>(5000)
  const waiting: Record<Urgency, Task[]> = { produce: [], read: [] }
  const taken: Task[] = []
  const bytesOf = (tasks: Task[]) => tasks.reduce((sum, { bytes }) => sum + bytes, 0)
  for (let id = 0; id < 5000; id++) {
    const used = bytesOf([...waiting.produce, ...waiting.read, ...taken])
    t.equal(queue.bytes, used)
    t.equal(queue.length, waiting.produce.length + waiting.read.length)
    const choice = random.below(10)
    if (choice < 5) {
      const urgency = random.pick(['produce', 'read'] as const)
      const task = { urgency, bytes: random.below(700), id }
      const fits = used === 0 || used + task.bytes <= (urgency === 'read' ? 2500 : 5000)
      t.equal(queue.offer(task), fits)
      if (fits) waiting[urgency].push(task)
    } else if (choice < 8) {
      const bundle = queue.take(limits)
      if (bundle.length === 0) t.equal(waiting.produce.length + waiting.read.length, 0)
      else {
        const { urgency } = bundle[0]
        t.same(bundle, waiting[urgency].splice(0, bundle.length), 'the oldest of one class, in order')
        const { tasksMax, bytesMax } = limits[urgency]
        t.ok(bundle.length <= tasksMax && (bundle.length === 1 || bytesOf(bundle) <= bytesMax))
        taken.push(...bundle)
      }
    } else if (choice < 9 && taken.length > 0) {
      const [{ urgency }] = taken
      const back = taken.filter((task) => task.urgency === urgency).sort((a, b) => a.id - b.id)
      queue.putBack(back)
      waiting[urgency].unshift(...back)
      taken.splice(0, Infinity, ...taken.filter((task) => task.urgency !== urgency))
    } else if (taken.length > 0) queue.finished(taken.splice(random.below(taken.length), 1)[0])
  }
  const left = queue.drain()
  t.same(left, [...waiting.produce, ...waiting.read])
  t.equal(queue.bytes, bytesOf(taken))
})

t.test('producers come first, readers in the end', async (t) => {
  const queue = new TaskQueue<{ urgency: Urgency; bytes: number }>(100 * MIB)
  for (let index = 0; index < 3; index++) queue.offer({ urgency: 'read', bytes: 1000 })
  for (let index = 0; index < 24; index++) queue.offer({ urgency: 'produce', bytes: MIB / 4 })
  const order: string[] = []
  const one = { tasksMax: 1, bytesMax: 0 }
  while (queue.length > 0) order.push(queue.take({ produce: one, read: one })[0].urgency[0])
  t.equal(order.join(''), 'pppprpppprpppprpppppppppppp')
})

t.test('a task that is larger than everything is taken alone', async (t) => {
  const queue = new TaskQueue<{ urgency: Urgency; bytes: number }>(100)
  const large = { urgency: 'read', bytes: 1000 } as const
  t.equal(queue.offer(large), true)
  t.equal(queue.offer({ urgency: 'produce', bytes: 1 }), false)
  t.same(queue.take(limits), [large])
  t.equal(queue.offer({ urgency: 'produce', bytes: 1 }), false, 'as long as it is at work')
  queue.finished(large)
  t.equal(queue.offer({ urgency: 'produce', bytes: 1 }), true)
})

t.test('restarts: a few at once, then one for each pause', async (t) => {
  const budget = new RestartBudget({ burst: 2, refillMs: 1000 })
  t.same([budget.take(5000), budget.take(5000), budget.take(5000)], [true, true, false])
  t.equal(budget.waitMs(5000), 1000)
  t.equal(budget.waitMs(5400), 600)
  t.equal(budget.take(5999), false)
  t.equal(budget.take(6000), true)
  t.equal(budget.take(6000), false)
  t.equal(budget.waitMs(60_000), 0)
  t.same([budget.take(60_000), budget.take(60_000), budget.take(60_000)], [true, true, false])
})
