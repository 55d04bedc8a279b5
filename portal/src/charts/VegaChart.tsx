import { Button, Group, Skeleton, Text, useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';

import type { ChartView } from '../api/client';
import { texts } from '../texts/en';
import { chartTheme, inScheme } from './chart-theme';

interface Picture {
  toImageURL: (type: 'png' | 'svg', scale?: number) => Promise<string>;
  finalize: () => void;
}

const ERRORS_ONLY = 1;

/** A Vega-Lite chart with its alternative text; Vega itself is loaded when the first one is shown. */
export function VegaChart({ chart }: { chart: ChartView }) {
  const place = useRef<HTMLDivElement>(null);
  const [picture, setPicture] = useState<Picture | null>(null);
  const [failed, setFailed] = useState(false);
  const scheme = useComputedColorScheme('light');

  useEffect(() => {
    let gone = false;
    let made: Picture | undefined;
    const draw = async () => {
      const [{ default: embed }, { expressionInterpreter }] = await Promise.all([
        import('vega-embed'),
        import('vega-interpreter'),
      ]);
      if (gone || !place.current) return;
      const result = await embed(place.current, { ...inScheme(chart.spec, scheme), background: 'transparent' }, {
        actions: false,
        renderer: 'svg',
        // No code is made from text, so the page's security policy holds.
        ast: true,
        expr: expressionInterpreter,
        config: chartTheme(scheme),
        logLevel: ERRORS_ONLY,
        tooltip: { theme: scheme },
      });
      made = { toImageURL: (type, scale) => result.view.toImageURL(type, scale), finalize: result.finalize };
      // React may have taken the chart away while it was drawn.
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition
      if (gone) made.finalize();
      else setPicture(made);
    };
    draw().catch(() => setFailed(true));
    return () => {
      gone = true;
      made?.finalize();
    };
  }, [chart, scheme]);

  const save = (type: 'png' | 'svg') => {
    void picture?.toImageURL(type, 2).then((url) => {
      const link = document.createElement('a');
      link.href = url;
      link.download = `${chart.title}.${type}`;
      link.click();
    });
  };

  return (
    <figure style={{ margin: 0 }}>
      <Group justify="space-between" mb={4} wrap="nowrap" align="baseline">
        <Text component="figcaption" fw={600}>
          {chart.title}
        </Text>
        <Group gap={4} wrap="nowrap">
          {(['png', 'svg'] as const).map((type) => (
            <Button
              key={type}
              size="compact-xs"
              variant="subtle"
              disabled={!picture}
              onClick={() => save(type)}
              aria-label={`${chart.title}: ${texts.experiment[type]}`}
            >
              {texts.experiment[type]}
            </Button>
          ))}
        </Group>
      </Group>
      <div className="chart" role="img" aria-label={chart.alt}>
        <div ref={place} />
      </div>
      {!picture && !failed && <Skeleton h={220} aria-hidden />}
      {failed && <Text size="sm">{chart.alt}</Text>}
      {chart.note && (
        <Text size="xs" c="dimmed">
          {chart.note}
        </Text>
      )}
    </figure>
  );
}
