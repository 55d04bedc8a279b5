import { Button, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useId, useState } from 'react';

import type { Plane } from '../api/scans';
import { texts } from '../texts/texts';

const t = texts.review.slices;
/** Milliseconds for which a slider rests before its slice is drawn. */
const REST = 40;

/** One slice of a plane, and the slider that moves it; starts again wherever its key changes. */
export function SliceFigure({
  plane,
  count,
  start,
  address,
}: {
  plane: Plane;
  count: number;
  start: number;
  address: (at: number) => string;
}) {
  const [at, setAt] = useState(Math.min(start, count - 1));
  const [shown] = useDebouncedValue(at, REST);
  const [failed, setFailed] = useState<string | null>(null);
  const [tries, setTries] = useState(0);
  const slider = useId();
  const source = address(shown);
  const name = t.planes[plane];
  const [left, right] = plane === 'sagittal' ? [t.sides.back, t.sides.front] : [t.sides.right, t.sides.left];
  return (
    <figure className="plane">
      <div className="seen">
        {failed === source ? (
          <div role="alert">
            <Text size="sm" mb="xs">
              {t.failed}
            </Text>
            <Button
              size="xs"
              variant="default"
              onClick={() => {
                setFailed(null);
                setTries(tries + 1);
              }}
            >
              {texts.retry}
            </Button>
          </div>
        ) : (
          <img key={tries} src={source} alt={t.slice(name, shown + 1, count)} onError={() => setFailed(source)} />
        )}
        <span className="side" aria-hidden>
          {left}
        </span>
        <span className="side right" aria-hidden>
          {right}
        </span>
      </div>
      <figcaption>
        <label htmlFor={slider}>{t.slice(name, at + 1, count)}</label>
        <input
          id={slider}
          type="range"
          min={0}
          max={count - 1}
          value={at}
          aria-valuetext={t.slice(name, at + 1, count)}
          onChange={(event) => setAt(Number(event.currentTarget.value))}
        />
      </figcaption>
    </figure>
  );
}
