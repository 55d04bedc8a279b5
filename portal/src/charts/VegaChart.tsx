import { Button, Group, Modal, Skeleton, Text, useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';

import type { ChartView } from '../api/client';
import { Icon } from '../shared/Icon';
import { marks } from '../shared/number';
import { save } from '../shared/save';
import { texts } from '../texts/texts';
import { chartTheme, inScheme } from './chart-theme';
import { zoomable } from './zoom';

interface Picture {
  toImageURL: (type: 'png' | 'svg', scale?: number) => Promise<string>;
  finalize: () => void;
}

const ERRORS_ONLY = 1;
const t = texts.experiments.chart;

/** A Vega-Lite chart with its files, and a larger view of it in a dialog. */
export function VegaChart({ chart }: { chart: ChartView }) {
  const [larger, setLarger] = useState(false);
  const [picture, setPicture] = useState<Picture | null>(null);

  const keep = (type: 'png' | 'svg') => {
    void picture?.toImageURL(type, 2).then((url) => {
      const link = document.createElement('a');
      link.href = url;
      link.download = `${chart.title}.${type}`;
      link.click();
    });
  };

  return (
    <figure style={{ margin: 0 }}>
      <Group justify="space-between" mb={4} align="baseline" gap={4}>
        <Text component="figcaption" fw={600}>
          {chart.title}
        </Text>
        <Group gap={2} wrap="nowrap">
          {(['png', 'svg'] as const).map((type) => (
            <Button
              key={type}
              size="compact-xs"
              variant="subtle"
              disabled={!picture}
              onClick={() => keep(type)}
              aria-label={`${chart.title}: ${texts.experiment[type]}`}
            >
              {texts.experiment[type]}
            </Button>
          ))}
          <Button
            size="compact-xs"
            variant="subtle"
            aria-label={`${chart.title}: ${t.spec}`}
            onClick={() =>
              save(new Blob([JSON.stringify(chart.spec, null, 2)], { type: 'application/json' }), `${chart.title}.vl.json`)
            }
          >
            {t.spec}
          </Button>
          <Button
            size="compact-xs"
            variant="subtle"
            leftSection={<Icon name="larger" size={11} />}
            aria-label={t.largerOf(chart.title)}
            onClick={() => setLarger(true)}
          >
            {t.larger}
          </Button>
        </Group>
      </Group>
      <Drawing chart={chart} onDrawn={setPicture} />
      {chart.note && (
        <Text size="xs" c="dimmed">
          {chart.note}
        </Text>
      )}
      <Modal opened={larger} onClose={() => setLarger(false)} size="min(96vw, 110rem)" title={<b>{chart.title}</b>}>
        <Drawing chart={chart} large />
        <Text size="xs" c="dimmed">
          {t.zoom}
        </Text>
        {chart.note && (
          <Text size="sm" c="dimmed" mt="xs">
            {chart.note}
          </Text>
        )}
      </Modal>
    </figure>
  );
}

/** The picture itself, with its alternative text; Vega is loaded when the first one is shown. */
function Drawing({
  chart,
  large = false,
  onDrawn,
}: {
  chart: ChartView;
  large?: boolean;
  onDrawn?: (picture: Picture | null) => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState(false);
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
      const coloured = inScheme(chart.spec, scheme);
      // Beside the text the wheel is for the page; in the dialog it is for the chart.
      const spec = large ? zoomable(coloured) : coloured;
      const result = await embed(place.current, { ...spec, background: 'transparent' }, {
        actions: false,
        renderer: 'svg',
        // No code is made from text, so the page's security policy holds.
        ast: true,
        expr: expressionInterpreter,
        config: chartTheme(scheme),
        logLevel: ERRORS_ONLY,
        tooltip: { theme: scheme },
        formatLocale: { ...marks(), grouping: [3], currency: ['', ''] },
      });
      made = { toImageURL: (type, scale) => result.view.toImageURL(type, scale), finalize: result.finalize };
      // React may have taken the chart away while it was drawn.
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition
      if (gone) made.finalize();
      else {
        setDrawn(true);
        onDrawn?.(made);
      }
    };
    draw().catch(() => setFailed(true));
    return () => {
      gone = true;
      made?.finalize();
    };
  }, [chart, scheme, large, onDrawn]);

  return (
    <>
      <div className={large ? 'chart large' : 'chart'} role="img" aria-label={chart.alt}>
        <div ref={place} />
      </div>
      {!drawn && !failed && <Skeleton h={220} aria-hidden />}
      {failed && <Text size="sm">{chart.alt}</Text>}
    </>
  );
}
