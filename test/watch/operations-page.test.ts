/** docs/operations.md, its rules and its dashboard say what is there: metrics by name, a section for each alert. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { openMetrics } from '../../src/hub/metrics.ts';
import { alertKinds } from '../../src/watch/alerts/condition.ts';

const docs = join(import.meta.dirname, '../../docs');
const page = readFileSync(join(docs, 'operations.md'), 'utf8');
const readRules = (): Rule[] => {
  const { groups } = parse(readFileSync(join(docs, 'operations/alerts.yaml'), 'utf8')) as {
    groups: { rules: Rule[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
};
interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

/** As GitHub makes them. */
const anchors = new Set(
  [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  ),
);

/** What a scrape has: a histogram is three series. */
async function rendered(): Promise<Map<string, string>> {
  const text = await openMetrics().render();
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
}

async function seriesNames(): Promise<Set<string>> {
  const names = new Set(['up']);
  for (const [name, type] of await rendered()) {
    names.add(name);
    if (type === 'histogram') for (const end of ['_bucket', '_sum', '_count']) names.add(name + end);
  }
  return names;
}

const metricsIn = (expression: string): string[] => [...expression.matchAll(/\b(hub_\w+|up)\b/g)].map(([name]) => name);

describe('docs/operations.md', () => {
  it('lists every metric by name and type, and no other', async () => {
    const listed = [...page.matchAll(/^\| `(hub_\w+)`\s*\| (\w+)/gm)].map(([, name, type]) => `${name} ${type}`);
    const real = [...(await rendered())].filter(([name]) => !/^hub_(process|nodejs)_/.test(name));
    assert.deepEqual(listed.toSorted(), real.map(([name, type]) => `${name} ${type}`).toSorted());
  });

  it('has a section for each kind of alert that the hub tells', () => {
    assert.deepEqual(
      alertKinds.filter((kind) => !anchors.has(`alert-${kind}`)),
      [],
    );
  });
});

describe('docs/operations/alerts.yaml', () => {
  it('names metrics that there are, a severity, and a section of the page', async () => {
    const names = await seriesNames();
    const rules = readRules();
    assert.ok(rules.length >= 15, `${rules.length}`);
    for (const { alert, expr, labels, annotations } of rules) {
      const used = metricsIn(expr);
      assert.ok(used.length > 0, alert);
      assert.deepEqual(
        used.filter((name) => !names.has(name)),
        [],
        alert,
      );
      assert.ok(['warning', 'critical'].includes(labels.severity), alert);
      const [file, anchor = ''] = annotations.runbook.split('#');
      assert.equal(file, 'docs/operations.md');
      assert.ok(anchors.has(anchor), `${alert}: ${anchor}`);
    }
  });

  it('brackets are balanced in each expression', () => {
    for (const { alert, expr } of readRules()) {
      const count = (text: string): number => expr.split(text).length;
      assert.deepEqual([count('('), count('{'), count('[')], [count(')'), count('}'), count(']')], alert);
    }
  });
});

describe('docs/operations/dashboard.json', () => {
  it('asks for metrics that there are, in every panel, and for every metric of ours', async () => {
    const { panels } = JSON.parse(readFileSync(join(docs, 'operations/dashboard.json'), 'utf8')) as {
      panels: { title: string; targets: { expr: string }[] }[];
    };
    const names = await seriesNames();
    const used = new Set<string>();
    for (const { title, targets } of panels) {
      for (const { expr } of targets) {
        const found = metricsIn(expr);
        assert.ok(found.length > 0 && found.every((name) => names.has(name)), `${title}: ${expr}`);
        for (const name of found) used.add(name.replace(/_(bucket|sum|count)$/, ''));
      }
    }
    const missing = [...(await rendered()).keys()].filter(
      (name) => !/^hub_(process|nodejs|background|database)_/.test(name) && !used.has(name),
    );
    // Those that only a rule or a person asks for.
    assert.deepEqual(
      missing.toSorted(),
      ['hub_feed_silent', 'hub_pull_run_seconds'].filter((name) => !used.has(name)),
    );
  });
});

describe('metrics of the watch', () => {
  it('are gone when another process watches', async () => {
    const metrics = openMetrics();
    metrics.watch.observe({
      at: new Date(),
      endpoints: [],
      feeds: new Map(),
      open: [{ kind: 'backlog', groupId: null }],
      disks: [{ name: 'data directory', freeBytes: 1, totalBytes: 2 }],
    });
    const value = async (name: string): Promise<string | undefined> =>
      new RegExp(`^${name} (.+)$`, 'm').exec(await metrics.render())?.[1];
    assert.equal(await value('hub_alerts_open\\{kind="backlog"\\}'), '1');
    assert.equal(await value('hub_storage_free_bytes\\{disk="data directory"\\}'), '1');
    assert.ok(Number(await value('hub_watch_evaluated_timestamp_seconds')) > 1e9);
    metrics.watch.observe(undefined);
    assert.equal(await value('hub_alerts_open\\{kind="backlog"\\}'), undefined);
    assert.equal(await value('hub_watch_evaluated_timestamp_seconds'), undefined);
    assert.equal(await value('hub_backlog_oldest_seconds'), undefined);
  });
});
