/** Laboratory panels and diagnoses that the simulated hospitals speak of, with LOINC, UCUM and ICD-10 codes. */

export interface Label {
  readonly zh: string;
  readonly de: string;
}

export interface Analyte {
  /** The laboratory's own code. */
  readonly local: string;
  readonly loinc: string;
  readonly label: Label;
  /** UCUM. */
  readonly unit: string;
  /** Reference range, as printed and as its two ends. */
  readonly range: string;
  readonly low: number;
  readonly high: number;
  /** Digits after the point that the analyser prints, trailing zeros included. */
  readonly decimals: number;
}

export interface Panel {
  readonly local: string;
  readonly loinc: string;
  readonly label: Label;
  /** HL70487. */
  readonly specimen: 'BLD' | 'SER';
  readonly analytes: readonly Analyte[];
}

function analyte(code: string, names: string, range: `${number}-${number}`, unit: string, decimals: number): Analyte {
  const [local = '', loinc = ''] = code.split(' ');
  const [zh = '', de = ''] = names.split(' / ');
  const [low = 0, high = 0] = range.split('-').map(Number);
  return { local, loinc, label: { zh, de }, unit, range, low, high, decimals };
}

export const panels: readonly Panel[] = [
  {
    local: 'XCG',
    loinc: '58410-2',
    label: { zh: '血常规', de: 'Blutbild' },
    specimen: 'BLD',
    analytes: [
      analyte('WBC 6690-2', '白细胞 / Leukozyten', '3.5-9.5', '10*9/L', 2),
      analyte('RBC 789-8', '红细胞 / Erythrozyten', '3.8-5.8', '10*12/L', 2),
      analyte('HGB 718-7', '血红蛋白 / Hämoglobin', '115-175', 'g/L', 0),
      analyte('PLT 777-3', '血小板 / Thrombozyten', '125-350', '10*9/L', 0),
    ],
  },
  {
    local: 'XZ',
    loinc: '57698-3',
    label: { zh: '血脂', de: 'Lipide' },
    specimen: 'SER',
    analytes: [
      analyte('CHOL 14647-2', '总胆固醇 / Cholesterin', '2.8-5.2', 'mmol/L', 2),
      analyte('TG 14927-8', '甘油三酯 / Triglyzeride', '0.4-1.7', 'mmol/L', 2),
      analyte('HDL 14646-4', '高密度脂蛋白 / HDL-Cholesterin', '1.0-2.1', 'mmol/L', 2),
      analyte('LDL 22748-8', '低密度脂蛋白 / LDL-Cholesterin', '1.5-3.4', 'mmol/L', 2),
    ],
  },
  {
    local: 'SG',
    loinc: '24362-6',
    label: { zh: '肾功能', de: 'Nierenwerte' },
    specimen: 'SER',
    analytes: [
      analyte('CREA 14682-9', '肌酐 / Kreatinin', '45-104', 'umol/L', 0),
      analyte('UREA 22664-7', '尿素 / Harnstoff', '2.6-8.0', 'mmol/L', 1),
      analyte('K 2823-3', '钾 / Kalium', '3.5-5.3', 'mmol/L', 2),
      analyte('NA 2951-2', '钠 / Natrium', '137-147', 'mmol/L', 0),
    ],
  },
  {
    local: 'TN',
    loinc: '55399-0',
    label: { zh: '糖尿病监测', de: 'Diabetesprofil' },
    specimen: 'BLD',
    analytes: [
      analyte('GLU 14749-6', '葡萄糖 / Glukose', '3.9-6.1', 'mmol/L', 2),
      analyte('HBA1C 4548-4', '糖化血红蛋白 / HbA1c', '4.0-6.0', '%', 1),
      analyte('CRP 1988-5', 'C反应蛋白 / C-reaktives Protein', '0-8', 'mg/L', 1),
    ],
  },
];

export interface Diagnosis extends Label {
  /** ICD-10. */
  readonly code: string;
}

export const diagnoses: readonly Diagnosis[] = [
  { code: 'E11.9', zh: '2型糖尿病', de: 'Diabetes mellitus, Typ 2' },
  { code: 'I10', zh: '原发性高血压', de: 'Essentielle Hypertonie' },
  { code: 'J18.9', zh: '肺炎', de: 'Pneumonie' },
  { code: 'N20.0', zh: '肾结石', de: 'Nierenstein' },
  { code: 'K35.8', zh: '急性阑尾炎', de: 'Akute Appendizitis' },
];

export interface Allergen extends Label {
  readonly code: string;
  /** HL70127. */
  readonly category: 'DA' | 'FA' | 'EA';
  readonly reaction: Label;
}

export const allergens: readonly Allergen[] = [
  { code: 'PEN', zh: '青霉素', de: 'Penicillin', category: 'DA', reaction: { zh: '皮疹', de: 'Hautausschlag' } },
  { code: 'NUT', zh: '花生', de: 'Erdnüsse', category: 'FA', reaction: { zh: '呼吸困难', de: 'Atemnot' } },
  { code: 'POL', zh: '花粉', de: 'Gräserpollen', category: 'EA', reaction: { zh: '流涕', de: 'Fließschnupfen' } },
];

export const insurers: Readonly<Record<'CHN' | 'DEU', { id: string; name: string; plan: string; planName: string }>> = {
  CHN: { id: 'YBJ01', name: '云栖市医疗保障局', plan: 'UEBMI', planName: '城镇职工基本医疗保险' },
  DEU: { id: 'SKK01', name: 'Sonnfelder Krankenkasse', plan: 'GKV', planName: 'Gesetzliche Krankenversicherung' },
};
