/** Result messages of simulated hospitals, as templates whose control id the load fills in. */
import { simulate, simulatedHospitals } from '../../src/cli/simulate/stream.ts';

/** ORU^R01 of about 10 segments, each another order. UTF-8: a charset's cost is the conversion's, not the socket's. */
export function oruTemplates(count: number, seed = 1): string[] {
  const hospitals = simulatedHospitals(3).map((hospital) => ({
    ...hospital,
    charset: 'UTF-8' as const,
    declaredCharset: 'UNICODE UTF-8',
    isEnhancedMode: false,
  }));
  const simulation = simulate({ seed, hospitals, mix: 'results', population: Math.max(64, Math.ceil(count / 8)) });
  return Array.from({ length: count }, (_, number) => {
    const { text, controlId } = simulation.messageAt(number);
    return text.replace(controlId, '@ID@');
  });
}
