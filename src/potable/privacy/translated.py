"""Headings of tables in scripts without Latin letters, as the names that columns of a contract have for them.

A contract's columns have Latin letters, and `姓名` would be `column2`: nobody sees that it holds names. Only whole
headings count, so that none is taken for what it is not.

Entry: `translated`.
"""

from __future__ import annotations

import unicodedata

_HEADINGS = {
    "emp_no": "工号 员工号 员工编号 員工編號 工號 社員番号 従業員番号 사번 직원번호 사원번호 رقم_الموظف"
    " الرقم_الوظيفي מספר_עובד табельный_номер รหัสพนักงาน कर्मचारी_संख्या",
    "full_name": "姓名 员工姓名 名字 氏名 名前 성명 이름 الاسم الاسم_الكامل שם שם_מלא نام фио имя_и_фамилия"
    " ชื่อ-นามสกุล नाम ονοματεπώνυμο",
    "last_name": "姓 姓氏 苗字 성 اسم_العائلة שם_משפחה نام_خانوادگی фамилия นามสกุล उपनाम επώνυμο",
    "first_name": "名 الاسم_الأول שם_פרטי имя ชื่อ όνομα",
    "patronymic_name": "отчество",
    "kana_name": "フリガナ ふりがな カナ氏名 氏名カナ",
    "gender": "性别 性別 성별 الجنس מין جنسیت пол เพศ लिंग φύλο",
    "mobile": "手机 手机号 手机号码 手機 手機號碼 携帯電話 휴대폰 휴대전화 الجوال رقم_الجوال נייד мобильный_телефон",
    "phone": "电话 电话号码 電話 電話號碼 電話番号 전화 전화번호 الهاتف رقم_الهاتف טלפון تلفن телефон"
    " โทรศัพท์ เบอร์โทร फ़ोन τηλέφωνο",
    "email": "邮箱 电子邮箱 电子邮件 電子郵件 信箱 メール メールアドレス 이메일 البريد_الإلكتروني דוא״ל ایمیل"
    " почта อีเมล ईमेल",
    "national_id": "身份证 身份证号 身份证号码 身分證字號 マイナンバー 個人番号 주민번호 주민등록번호"
    " رقم_الهوية תעודת_זהות کد_ملی инн снилс เลขบัตรประชาชน आधार",
    "passport_no": "护照号 护照号码 護照號碼 パスポート番号 여권번호 رقم_جواز_السفر паспорт",
    "address": "地址 家庭住址 住址 住所 주소 العنوان כתובת آدرس адрес ที่อยู่ पता διεύθυνση",
    "post_code": "邮编 邮政编码 郵遞區號 郵便番号 우편번호 الرمز_البريدي מיקוד индекс รหัสไปรษณีย์",
    "birth_date": "出生日期 生日 生年月日 생년월일 تاريخ_الميلاد תאריך_לידה дата_рождения วันเกิด जन्म_तिथि",
    "marital_status": "婚姻状况 婚姻狀況 الحالة_الاجتماعية семейное_положение",
    "salary": "工资 薪资 薪資 給与 月給 급여 연봉 الراتب משכורת حقوق зарплата оклад เงินเดือน वेतन",
    "department": "部门 部門 部署 부서 القسم מחלקה отдел แผนก विभाग",
    "hired_on": "入职日期 入職日期 入社日 입사일 تاريخ_التعيين дата_приема วันที่เริ่มงาน",
    "left_on": "离职日期 離職日期 退職日 退社日 퇴사일 дата_увольнения",
    "note": "备注 備註 備考 コメント 비고 메모 ملاحظات הערות примечание комментарий หมายเหตุ टिप्पणी",
}


def _folded(heading: str) -> str:
    return unicodedata.normalize("NFKC", " ".join(heading.split())).casefold()


_KNOWN = {
    _folded(heading.replace("_", " ")): name for name, headings in _HEADINGS.items() for heading in headings.split()
}


def translated(heading: str) -> str:
    """The name of a column with this heading; the heading where it is not known."""
    return _KNOWN.get(_folded(heading), heading)
