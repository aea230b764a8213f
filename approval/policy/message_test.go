package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mitome-ciba/mitome/approval"
	"github.com/mitome-ciba/mitome/approval/policy"
)

// book has one connection, "op", with rules r, and keeps the marks it gives.
func book(t *testing.T, r policy.Rules) (*policy.Book, *[]policy.Mark) {
	t.Helper()
	b, err := policy.New(policy.Rules{}, map[string]policy.Rules{"op": r})
	if err != nil {
		t.Fatal(err)
	}
	marks := &[]policy.Mark{}
	b.Observe = func(_ string, m policy.Mark) { *marks = append(*marks, m) }
	return b, marks
}

func said(message string) approval.Ask {
	return approval.Ask{OP: "op", BindingMessage: message}
}

// TestMessagesThatPass are sentences that honest clients send. Nothing is to be
// said of them, and they come out as they went in.
func TestMessagesThatPass(t *testing.T) {
	for _, m := range []string{
		"", "W4SCT", "Pay 100 EUR to Alice", "Transfer 50000 JPY", "Approve loan #12345", "12.50 EUR",
		"Install v1.2", "v1.2.3.4", "Ratio 3:1/2", "Rename 3 files to .zip", "Room B.12", "Sign in to Example Shop (Kyoto)",
		"Send 5 EUR to alice@example.com", "Mr.Smith opens record 7", "Node.js upgrade 20", "U.S.A. visa fee 160 USD",
		"Change my password (desk 4)", "Card 1234: stop it", "5 kg à 3,20 €/kg", "Zürich → Genève, 2 Pers.",
		"50,000円を山田太郎へ送金", "オペレーターの山田太郎がお客様の記録12を開きます", "緊急停止 3号機", "カード(末尾1234)の利用停止",
		"お急ぎ便 500円", "「東京」行き 2枚", "株式会社Example Co.Ltd 12,000円", "葛\U000E0100飾区役所 住民票 1通",
		"송금 50,000원", "转账100元给李雷", "تحويل 100 ريال", "ส่งเงิน 100 บาทให้สมชาย", "❤\uFE0F 3 roses, 12 EUR", "#4711", strings.Repeat("あ", 300),
	} {
		b, marks := book(t, policy.Rules{})
		adm, err := b.Admit(said(m))
		if err != nil || adm.BindingMessage != m || len(*marks) > 0 {
			t.Errorf("%q: got %q, %v, marks %v", m, adm.BindingMessage, err, *marks)
		}
	}
}

// TestMessagesThatAreRefused names the rule that refuses each.
func TestMessagesThatAreRefused(t *testing.T) {
	tests := map[policy.Mark][]string{
		policy.Blank: {" ", "\u3000 \u00a0", "\u0301"},
		policy.Odd: {
			"Pay\n100 EUR", "Pay 1\t00", "Pay \u202e001 EUR", "Pay \u2066100\u2069", "\u200fPay 100", "Pay\u200b100", "P\u200day 100", "\ufeffPay 100",
			"Pay\u00ad100", "Pay \u034f100", "Pay \u3164 100", "Pay \u2800 100", "Pay \ue000100", "Pay \U000f0000", "Pay \ufffe", "Pay \u0378", "Pay \U000e0041",
			"Pay 100\u2028EUR", "Pay \xff100", "Pay \ufffd", "Pay \ufffc", "Pay\x00100", "Pay\x7f", "Pay \u0085", "a\ufe0f\ufe0f 100", "\ufe0f100",
			"Pay 1" + strings.Repeat("\u0335", 5) + "00",
		},
		policy.Long: {strings.Repeat("あ", 301), strings.Repeat("a", 5000), strings.Repeat("ᄀ", 1500)},
		policy.Link: {
			"see https://example.com/pay", "HTTP://example.com", "ftp://10.0.0.1", "myapp://pay", "http:\\\\evil", "www.example.com", "WWW.例え.テスト", "example.com/pay", "go to example.com now",
			"bank.co.jp", "Ｅｘａｍｐｌｅ．ｃｏｍ", "ｈｔｔｐｓ：／／example", "example。com", "詳細はexample.comをご覧ください", "みずほ銀行.jp", "例え.みんな", "x.xn--q9jyb4c",
			"192.168.0.1/pay", "203.0.113.7:8443", "javascript:alert(1)", "mailto:x@example.org", "data:text/html,x", "user@example.com/x", "pay.evil.example.com", "@example.com", "t.co/abc",
		},
		policy.Phishing: {
			"Click here to continue", "CLICK  HERE!", "Ｃｌｉｃｋ　ｈｅｒｅ", "c\u0327lick here? click—here", "Please verify your account.", "Your account has been locked", "Act now: 3 EUR",
			"こちらをクリックして続行", "ｸﾘｯｸして続行", "至急ご対応ください", "パスワードを入力してください", "口座が凍結されました", "承認ボタンを押してください", "不審なログインがありました",
		},
	}
	for want, messages := range tests {
		for _, m := range messages {
			b, marks := book(t, policy.Rules{})
			adm, err := b.Admit(said(m))
			if !errors.Is(err, approval.ErrBindingMessage) || len(*marks) != 1 || (*marks)[0] != want {
				t.Errorf("%q: got %v, marks %v; want %s", m, err, *marks, want)
			}
			if adm != (approval.Admission{}) {
				t.Errorf("%q: refused, and still admitted as %+v", m, adm)
			}
			if err != nil && len(m) > 3 && strings.Contains(err.Error(), m) {
				t.Errorf("%q: the error repeats what was sent: %v", m, err)
			}
		}
	}
}

func TestVagueMessagesAreCountedAndRefusedOnDemand(t *testing.T) {
	vague := []string{
		"Please authenticate", "please  AUTHENTICATE!", "Approve this request", "Login", "Confirm your identity", "Test", "!!!",
		"重要な取引の承認をお願いします", "認証してください", "ログインしますか？", "お取引の確認が必要です。", "承認",
	}
	for _, m := range vague {
		b, marks := book(t, policy.Rules{})
		adm, err := b.Admit(said(m))
		if err != nil || adm.BindingMessage != m || len(*marks) != 1 || (*marks)[0] != policy.Vague {
			t.Errorf("%q: got %q, %v, marks %v; want it shown and counted", m, adm.BindingMessage, err, *marks)
		}
		strict, _ := book(t, policy.Rules{RefuseVague: true})
		if _, err := strict.Admit(said(m)); !errors.Is(err, approval.ErrBindingMessage) {
			t.Errorf("%q: got %v where vague messages are refused", m, err)
		}
	}
}

func TestMessageRulesOfAConnection(t *testing.T) {
	tests := []struct {
		name  string
		rules policy.Rules
		text  string
		want  string
		err   error
	}{
		{"composed", policy.Rules{}, "Cafe\u0301 3 EUR", "Café 3 EUR", nil},
		{"shorter limit met", policy.Rules{MaxGraphemes: 4}, "🇯🇵100", "🇯🇵100", nil},
		{"shorter limit passed", policy.Rules{MaxGraphemes: 3}, "🇯🇵100", "", approval.ErrBindingMessage},
		{"a mark is no character", policy.Rules{MaxGraphemes: 3}, "กำ12", "กำ12", nil},
		{"required and there", policy.Rules{BindingMessage: policy.ModeRequired}, "Pay 3 EUR", "Pay 3 EUR", nil},
		{"required and absent", policy.Rules{BindingMessage: policy.ModeRequired}, "", "", approval.ErrBindingMessage},
		{"own phrase", policy.Rules{RefusedPhrases: []string{"Crypto Deal"}}, "a CRYPTO-deal of 3 BTC", "", approval.ErrBindingMessage},
		{"own phrase inside a word", policy.Rules{RefusedPhrases: []string{"deal"}}, "dealer 7", "dealer 7", nil},
		{"built-in phrases stay", policy.Rules{RefusedPhrases: []string{"x"}}, "click here", "", approval.ErrBindingMessage},
		{"own vague word", policy.Rules{VaguePhrases: []string{"ほげ"}, RefuseVague: true}, "ほげの承認", "", approval.ErrBindingMessage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := book(t, tt.rules)
			adm, err := b.Admit(said(tt.text))
			if !errors.Is(err, tt.err) || adm.BindingMessage != tt.want {
				t.Errorf("got %q, %v; want %q, %v", adm.BindingMessage, err, tt.want, tt.err)
			}
		})
	}
}
