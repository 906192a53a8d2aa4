import bitsandbytes as bnb
import torch
from transformers import AutoTokenizer

from longcot.models.adapter import without_adapter
from longcot.models.nf4 import load_base_4bit
from longcot.qlora.plain_layers import add_in_one_pass, plain_layers
from longcot.qlora.settings import LoraSettings
from longcot.qlora.target_modules import adapt


def test_losses_and_gradients_are_those_of_4_bit_layers_to_the_bit(tiny_model):
    torch.set_num_threads(1)
    base, tokenizer = load_base_4bit(tiny_model, "float32"), AutoTokenizer.from_pretrained(tiny_model)
    lora = LoraSettings(rank=8, alpha=16, compute_dtype="float32")
    ids = torch.randint(5, 300, (2, 70), generator=torch.Generator().manual_seed(1))

    def step(light):
        torch.manual_seed(2)
        model = adapt(base, lora, tokenizer).train()
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.1)
        if light:
            add_in_one_pass(model)
        kinds = {type(module) for module in model.modules()}
        assert (bnb.nn.Linear4bit in kinds) is not light
        loss = model(ids, labels=ids).loss
        loss.backward()
        found = {name: weights.grad for name, weights in model.named_parameters() if weights.grad is not None}
        without_adapter(model)
        return loss, found

    loss, gradients = step(light=False)
    with plain_layers(base):
        light_loss, light_gradients = step(light=True)
    assert torch.equal(loss, light_loss) and gradients.keys() == light_gradients.keys()
    assert all(torch.equal(gradients[name], light_gradients[name]) for name in gradients)
    assert torch.equal(step(light=False)[0], loss), "the base is as before"
