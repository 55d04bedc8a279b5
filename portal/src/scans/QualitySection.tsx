import type { Measurement } from '../api/scans';
import { Section } from '../inbox/Section';
import { locale, texts } from '../texts/texts';

const t = texts.review.quality;

/** How good scan and measurement are, and with what it was measured. */
export function QualitySection({ measurement: { quality, judgement, setting, atlas } }: { measurement: Measurement }) {
  return (
    <Section title={t.title}>
      <dl className="facts">
        {(['snr', 'cnr', 'likeness'] as const).map((name) => {
          const z = judgement.quality[name];
          const told = written(quality[name], name === 'likeness' ? 2 : 1);
          return (
            <Fact key={name} name={t[name]}>
              {z === null || z === undefined ? told : `${told} (${t.z(written(z, 1))})`}
            </Fact>
          );
        })}
        <Fact name={t.setting}>{setting}</Fact>
        <Fact name={t.atlas}>{atlas ? `${atlas.name}, ${t.regions(atlas.regions)}` : t.noAtlas}</Fact>
      </dl>
    </Section>
  );
}

function Fact({ name, children }: { name: string; children: string }) {
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
