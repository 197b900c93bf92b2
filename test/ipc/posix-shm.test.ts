import { describe, expect, test } from 'vitest'
import { Frame } from '../../src/frames/frame.ts'
import { frameAt } from '../../src/frames/zone.ts'
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../../src/ipc/constants.ts'
import {
  EBADF,
  EEXIST,
  EINVAL,
  EISDIR,
  EMFILE,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
} from '../../src/words/errno.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { ipcWorld } from './world.ts'

const CREATE = O_CREAT | O_RDWR
const long = (length: number) => `/${'a'.repeat(length)}`

describe('names', () => {
  // What glibc 2.36 on Linux 6.18 answered to shm_open(name, O_CREAT | O_RDWR, 0600), then shm_unlink(name).
  test.each([
    ['', -EINVAL, -ENOENT],
    ['/', -EINVAL, -ENOENT],
    ['//', -EINVAL, -ENOENT],
    ['.', -EINVAL, -EISDIR],
    ['/.', -EINVAL, -EISDIR],
    ['/..', -EINVAL, -EISDIR],
    ['/...', 3, 0],
    ['/a/b', -EINVAL, -ENOENT],
    ['/a/', -EINVAL, -ENOENT],
    ['plain', 3, 0],
    ['///slashes', 3, 0],
    [long(254), 3, 0],
    [long(255), 3, 0],
    [long(256), -ENAMETOOLONG, -ENAMETOOLONG],
    [long(259), -ENAMETOOLONG, -ENAMETOOLONG],
    [long(260), -EINVAL, -ENOENT],
    [long(5000), -EINVAL, -ENOENT],
    [`/${'ä'.repeat(127)}`, 3, 0],
    [`/${'ä'.repeat(128)}`, -ENAMETOOLONG, -ENAMETOOLONG],
    ['/a\0b', -EINVAL, -ENOENT],
  ])('%s', (name, opened, unlinked) => {
    const p = ipcWorld().process(0)

    expect(p.open(name, CREATE)).toBe(opened)
    expect(p.unlink(name)).toBe(unlinked)
    expect(p.unlink(name)).toBe(unlinked === 0 ? -ENOENT : unlinked)
  })

  test('slashes at the front do not matter, every other byte does', () => {
    const world = ipcWorld()
    const [p, q] = [world.process(0), world.process(1)]
    const a = p.open('/a', CREATE)

    expect(q.object(q.open('a', O_RDWR))).toBe(p.object(a))
    expect(q.object(q.open('//a', O_RDWR))).toBe(p.object(a))
    for (const other of ['/A', '/a ', '/aa', '/b']) expect(q.open(other, O_RDWR)).toBe(-ENOENT)
  })
})

describe('shm_open', () => {
  test('a new object has size 0, one name, the mode less the umask, and a number of its own', () => {
    const p = ipcWorld().process(0)

    const first = p.stat(p.open('/a', CREATE, 0o7777))
    const second = p.stat(p.open('/b', O_CREAT | O_RDONLY, 0o640))

    expect(first).toMatchObject({
      size: 0,
      mode: 0o107755,
      nlink: 1,
      uid: 0,
      gid: 0,
      blksize: 4096,
      blocks: 0,
    })
    expect(second.mode).toBe(0o100640)
    expect(second.ino).not.toBe(first.ino)
    expect(Math.abs(first.mtime - Date.now() / 1000)).toBeLessThan(60)
  })

  test('O_CREAT, O_EXCL and O_TRUNC do what they do in Linux', () => {
    const world = ipcWorld()
    const p = world.process(0)
    expect(p.open('/q', O_RDWR)).toBe(-ENOENT)
    const fd = p.open('/q', CREATE)
    p.truncate(fd, 5000)

    expect(p.open('/q', CREATE | O_EXCL)).toBe(-EEXIST)
    expect(p.open('/q', CREATE | O_EXCL | O_TRUNC)).toBe(-EEXIST)
    expect(p.stat(fd).size).toBe(5000)
    expect(p.object(p.open('/q', O_EXCL | O_RDWR))).toBe(p.object(fd)) // means nothing without O_CREAT
    expect(p.object(p.open('/q', CREATE))).toBe(p.object(fd))
    expect(p.stat(fd).size).toBe(5000)
    expect(p.open('/q', O_RDWR | O_TRUNC)).toBeGreaterThan(0)
    expect(p.stat(fd).size).toBe(0)
    p.truncate(fd, 5000)
    expect(p.open('/q', O_RDONLY | O_TRUNC)).toBeGreaterThan(0)
    expect(p.stat(fd).size).toBe(0)
    expect(p.open('/q', O_RDWR | O_DIRECTORY)).toBe(-ENOTDIR)
    expect(p.open('/new', CREATE | O_DIRECTORY)).toBe(-EINVAL)
    expect(p.open('/new', O_RDWR | O_DIRECTORY)).toBe(-ENOENT)
    expect(p.open('/q', O_PATH)).toBe(-EINVAL)
    expect(world.problems()).toEqual([])
  })

  test('without a free descriptor: EMFILE, before the name is looked for, after it is judged', () => {
    const world = ipcWorld()
    const p = world.process(0)
    const fd = p.open('/q', CREATE)
    let last = fd
    for (let next = p.dup(fd); next >= 0; next = p.dup(fd)) last = next

    expect(last).toBe(1023)
    expect(p.dup(fd)).toBe(-EMFILE)
    expect(p.open('/new', CREATE)).toBe(-EMFILE)
    expect(p.open('/nonexistent', O_RDWR)).toBe(-EMFILE)
    expect(p.open(long(256), O_RDWR)).toBe(-EMFILE)
    expect(p.open('', O_RDWR)).toBe(-EINVAL)
    expect(p.close(77)).toBe(0)
    expect(p.open('/new', CREATE | O_EXCL)).toBe(77)
    expect(world.problems()).toEqual([])
  })

  test('a contiguous object is one run', () => {
    const world = ipcWorld()
    const p = world.process(0)
    const fd = p.open('/c', CREATE, 0o600, { contiguous: true })
    expect(p.truncate(fd, 3 * PAGE_SIZE)).toBe(0)
    const object = p.object(fd)

    const pages = [0, 1, 2].map((page) => world.page(world.first, object, page))

    expect(pages).toEqual([pages[0], pages[0] + 1, pages[0] + 2])
    expect(p.stat(fd).blocks).toBe(24)
    expect(p.truncate(fd, 4 * PAGE_SIZE)).toBe(-EINVAL)
    expect(p.stat(fd).size).toBe(3 * PAGE_SIZE)
  })
})

describe('an object lives', () => {
  test('until its name, its last descriptor and its last mapping are gone, in any order', () => {
    const world = ipcWorld()
    const [p, q] = [world.process(0), world.process(1)]
    for (const order of [
      ['name', 'descriptors', 'mapping'],
      ['mapping', 'name', 'descriptors'],
      ['descriptors', 'mapping', 'name'],
    ]) {
      const fd = p.open('/x', CREATE)
      const other = q.open('/x', O_RDONLY)
      p.truncate(fd, PAGE_SIZE)
      const object = p.object(fd)
      world.hold(p.member, object, 2)
      world.cpu.store(world.page(p.member, object, 0) * 1024, 4711)
      const steps: Record<string, () => void> = {
        name: () => {
          expect(p.unlink('/x')).toBe(0)
        },
        descriptors: () => {
          expect([p.close(fd), q.close(other)]).toEqual([0, 0])
        },
        mapping: () => {
          world.drop(q.member, object, 2)
        },
      }

      for (const step of order) {
        expect(p.member.objects.isObject(object)).toBe(true)
        expect(world.problems()).toEqual([])
        steps[step]()
      }

      expect(p.member.objects.isObject(object)).toBe(false)
      expect(p.open('/x', O_RDWR)).toBe(-ENOENT)
    }
  })

  test('unlink takes the name at once: it can be used for another object; nlink and mode of the old one', () => {
    const world = ipcWorld()
    const p = world.process(0)
    const old = p.open('/x', CREATE, 0o640)

    expect(p.unlink('/x')).toBe(0)

    expect(p.stat(old)).toMatchObject({ nlink: 0, mode: 0o100640 })
    expect(p.open('/x', O_RDWR)).toBe(-ENOENT)
    const young = p.open('/x', CREATE | O_EXCL)
    expect(p.object(young)).not.toBe(p.object(old))
    expect(world.problems()).toEqual([])
  })
})

describe('ftruncate and fstat', () => {
  test('errors come in the order that Linux has them', () => {
    const p = ipcWorld().process(0)
    const fd = p.open('/x', CREATE)
    const [ro, wo, neither] = [p.open('/x', O_RDONLY), p.open('/x', O_WRONLY), p.open('/x', 3)]

    expect(p.truncate(99, -1)).toBe(-EINVAL)
    expect(p.truncate(99, 1)).toBe(-EBADF)
    expect(p.truncate(-1, 1)).toBe(-EBADF)
    expect(p.truncate(ro, 1)).toBe(-EINVAL)
    expect(p.truncate(neither, 1)).toBe(-EINVAL)
    expect(p.truncate(fd, -1)).toBe(-EINVAL)
    expect(p.truncate(wo, 8192)).toBe(0)
    expect(p.stat(ro).size).toBe(8192)
    expect(p.errorOfStat(99)).toBe(-EBADF)
    expect(p.truncate(fd, 2 ** 42)).toBe(0)
    expect(p.stat(fd)).toMatchObject({ size: 2 ** 42, blocks: 0 })
  })

  test('blocks count what has frames', () => {
    const world = ipcWorld()
    const p = world.process(0)
    const fd = p.open('/x', CREATE)
    p.truncate(fd, 10 * PAGE_SIZE)
    for (const page of [0, 9]) world.page(p.member, p.object(fd), page)

    expect(p.stat(fd).blocks).toBe(16)
    p.truncate(fd, PAGE_SIZE)
    expect(p.stat(fd).blocks).toBe(8)
  })
})

describe('descriptors', () => {
  test('the lowest free number is the next one, from 3 on', () => {
    const p = ipcWorld().process(0)
    const fds = ['/a', '/b', '/c'].map((name) => p.open(name, CREATE))
    expect(fds).toEqual([3, 4, 5])

    expect(p.close(4)).toBe(0)

    expect(p.dup(5)).toBe(4)
    expect(p.dup(3)).toBe(6)
    expect(p.object(4)).toBe(p.object(5))
  })

  test.each([-1, 0, 2, 3, 1023, 1024, 2 ** 31, 3.5, NaN])('%s is not open', (fd) => {
    const world = ipcWorld()
    const [p, q] = [world.process(0), world.process(1)]
    p.close(p.open('/x', CREATE))

    for (const process of [p, q]) {
      expect(process.close(fd)).toBe(-EBADF)
      expect(process.dup(fd)).toBe(-EBADF)
      expect(process.descriptors.get(fd)).toBe(-EBADF)
    }
  })

  test('say what they were opened for; each process has its own', () => {
    const world = ipcWorld()
    const [p, q] = [world.process(0), world.process(1)]
    p.open('/x', CREATE)
    for (const access of [O_RDONLY, O_WRONLY, 3]) p.open('/x', access)
    p.dup(5)

    expect(p.descriptors.entries().map(({ fd, access }) => [fd, access])).toEqual([
      [3, O_RDWR],
      [4, O_RDONLY],
      [5, O_WRONLY],
      [6, 3],
      [7, O_WRONLY],
    ])
    expect(q.descriptors.entries()).toEqual([])
    expect(world.problems()).toEqual([])
    for (const { fd } of p.descriptors.entries()) p.descriptors.close(fd)
    expect(p.descriptors.entries()).toEqual([])
    expect(p.unlink('/x')).toBe(0)
    expect(world.problems()).toEqual([])
  })

  test('an object that lies high in the memory keeps its address apart from the access', () => {
    const world = ipcWorld()
    const p = world.process(0)
    const fd = p.open('/x', O_CREAT | O_RDWR)
    const { geometry } = p.member.attachment.frames

    expect(p.object(fd)).toBe([...p.member.objects.all()][0])
    expect(p.object(fd)).toBeLessThan(geometry.frameCount * 1024)
    expect(world.cpu.load(frameAt(geometry, Math.floor(p.object(fd) / 1024)) + Frame.flags)).not.toBe(0)
  })
})
