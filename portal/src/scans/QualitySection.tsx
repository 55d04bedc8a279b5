import { Badge } from '@mantine/core';

import type { ReactNode } from 'react';

import type { Measurement } from '../api/scans';
import { Section } from '../inbox/Section';
import { locale, texts } from '../texts/texts';

const t = texts.review.quality;
const MEASURES = [
  ['snr', 1],
  ['cnr', 1],
  ['likeness', 2],
  ['efc', 3],
  ['fber', 0],
] as const;

/** How good scan and measurement are, and with what it was measured. */
export function QualitySection({ measurement: { quality, judgement, setting, atlas } }: { measurement: Measurement }) {
  return (
    <Section title={t.title}>
      <dl className="facts">
        {MEASURES.map(([name, digits]) => {
          const z = judgement.quality[name];
          const value = quality[name];
          // What was measured by an earlier version has no measure of movement.
          if (value === null || value === undefined) return null;
          const told = written(value, digits);
          return (
            <Fact key={name} name={t[name]}>
              {z === null || z === undefined ? told : `${told} (${t.z(written(z, 1))})`}
              {judgement.flagged.includes(name) && (
                <Badge ml="xs" color="orange" variant="light">
                  {t.flagged}
                </Badge>
              )}
            </Fact>
          );
        })}
        <Fact name={t.setting}>{setting}</Fact>
        <Fact name={t.atlas}>{atlas ? `${atlas.name}, ${t.regions(atlas.regions)}` : t.noAtlas}</Fact>
      </dl>
    </Section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function written(value: number, digits: number): string {
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
